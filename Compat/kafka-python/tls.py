"""kafka-python over SSL, SASL_SSL and with a client's certificate; wrong authority, no certificate.

usage: tls.py SSL SASL_SSL MUTUAL FOLDER
The first three are ports of listeners of one broker; the folder has ca.pem, other-ca.pem, alice.pem and alice.key.
alice's password for PLAIN is alice-secret.
"""
import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

ssl, sasl_ssl, mutual, folder = sys.argv[1:]


def settings(port, protocol="SSL", ca="ca.pem", **more):
    return {
        "bootstrap_servers": f"127.0.0.1:{port}", "security_protocol": protocol, "ssl_cafile": f"{folder}/{ca}", **more}


def round_trip(topic, config):
    producer = KafkaProducer(**config)
    assert producer.send(topic, b"v" * 200_000).get(20).offset == 0
    producer.close()
    consumer = KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=20000, **config)
    assert next(consumer).value == b"v" * 200_000
    consumer.close()


def refused(config):
    try:
        producer = KafkaProducer(**{"max_block_ms": 2000, "bootstrap_timeout_ms": 2000, **config})
        producer.send("refused", b"value").get(3)
    except (KafkaError, AssertionError):
        return
    raise AssertionError("not refused")


alice = {"ssl_certfile": f"{folder}/alice.pem", "ssl_keyfile": f"{folder}/alice.key"}
login = {"sasl_mechanism": "PLAIN", "sasl_plain_username": "alice", "sasl_plain_password": "alice-secret"}
round_trip("python-ssl", settings(ssl))
round_trip("python-sasl-ssl", settings(sasl_ssl, "SASL_SSL", **login))
round_trip("python-mutual", settings(mutual, **alice))
refused(settings(mutual))
refused(settings(ssl, ca="other-ca.pem"))
print("DONE")
