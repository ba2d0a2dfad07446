"""kafka-python over SASL: PLAIN, both SCRAM mechanisms, wrong passwords.

usage: sasl.py BOOTSTRAP
The broker knows alice by PLAIN (alice-secret) and by SCRAM-SHA-512 (scram-secret).
"""
import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

bootstrap = sys.argv[1]


def settings(mechanism, user, password):
    return {
        "bootstrap_servers": bootstrap, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism,
        "sasl_plain_username": user, "sasl_plain_password": password}


def round_trip(topic, config):
    producer = KafkaProducer(**config)
    assert producer.send(topic, b"value").get(20).offset == 0
    producer.close()
    consumer = KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=20000, **config)
    assert next(consumer).value == b"value"
    consumer.close()


def refused(config):
    try:
        producer = KafkaProducer(**{"max_block_ms": 3000, "bootstrap_timeout_ms": 3000, **config})
        producer.send("refused", b"value").get(5)
    except (KafkaError, AssertionError) as error:
        return type(error).__name__
    raise AssertionError("not refused")


round_trip("kp-plain", settings("PLAIN", "alice", "alice-secret"))
round_trip("kp-scram", settings("SCRAM-SHA-512", "alice", "scram-secret"))
print(refused(settings("PLAIN", "alice", "wrong")))
print(refused(settings("SCRAM-SHA-512", "alice", "wrong")))
print(refused({"bootstrap_servers": bootstrap, "bootstrap_timeout_ms": 1500}))
print("DONE")
