"""librdkafka over SASL: PLAIN, both SCRAM mechanisms, wrong passwords, users altered by the admin client.

usage: sasl.py BOOTSTRAP
The broker knows alice by PLAIN (alice-secret) and by SCRAM-SHA-512 (scram-secret).
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import (
    AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion)

bootstrap = sys.argv[1]


def settings(mechanism, user, password, **more):
    return {
        "bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism,
        "sasl.username": user, "sasl.password": password, **more}


def round_trip(topic, config):
    errors = []
    producer = Producer({**config, "acks": "all"})
    producer.produce(topic, b"value", on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0 and errors == [None], errors
    consumer = Consumer({**config, "group.id": f"g-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    deadline = time.time() + 20
    while time.time() < deadline:
        message = consumer.poll(1)
        if message and not message.error():
            assert message.value() == b"value"
            consumer.close()
            return
    raise AssertionError("nothing came")


def refused(config):
    errors = []
    producer = Producer({**config, "error_cb": errors.append})
    deadline = time.time() + 15
    while time.time() < deadline:
        producer.poll(0.1)
        if any(error.code() == KafkaError._AUTHENTICATION for error in errors):
            return
    raise AssertionError(f"not refused: {errors}")


plain = settings("PLAIN", "alice", "alice-secret")
round_trip("plain", plain)
round_trip("scram", settings("SCRAM-SHA-512", "alice", "scram-secret"))
refused(settings("PLAIN", "alice", "alice-wrong!"))
refused(settings("PLAIN", "nobody", "alice-secret"))
refused(settings("SCRAM-SHA-512", "alice", "scram-wrong"))
refused(settings("SCRAM-SHA-256", "alice", "scram-secret"))

admin = AdminClient(plain)
known = admin.describe_user_scram_credentials()
known = known.result(20) if hasattr(known, "result") else {user: future.result(20) for user, future in known.items()}
assert [(info.mechanism, info.iterations) for info in known["alice"].scram_credential_infos] == [
    (ScramMechanism.SCRAM_SHA_512, 4096)], known
for future in admin.alter_user_scram_credentials([
        UserScramCredentialUpsertion("bob", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192), b"bob-secret"),
]).values():
    future.result(20)
round_trip("bob", settings("SCRAM-SHA-256", "bob", "bob-secret"))
for future in admin.alter_user_scram_credentials([
        UserScramCredentialDeletion("bob", ScramMechanism.SCRAM_SHA_256)]).values():
    future.result(20)
refused(settings("SCRAM-SHA-256", "bob", "bob-secret"))
print("DONE")
