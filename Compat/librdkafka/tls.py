"""librdkafka over SSL, SASL_SSL and with a client's certificate; wrong authority, no certificate.

usage: tls.py SSL SASL_SSL MUTUAL FOLDER
The first three are ports of listeners of one broker; the folder has ca.pem, other-ca.pem, alice.pem and alice.key.
alice's password for PLAIN is alice-secret.
"""
import sys
import time

from confluent_kafka import Consumer, Producer

ssl, sasl_ssl, mutual, folder = sys.argv[1:]


def settings(port, protocol="SSL", **more):
    return {
        "bootstrap.servers": f"localhost:{port}", "security.protocol": protocol, "broker.address.family": "v4",
        "ssl.ca.location": f"{folder}/ca.pem", **{name.replace("_", "."): value for name, value in more.items()}}


def round_trip(topic, config):
    errors = []
    producer = Producer({**config, "acks": "all"})
    # More than one record of TLS, and more than the broker sends by sendfile.
    for number in range(20):
        producer.produce(topic, bytes([number]) * 50_000, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(20) == 0 and errors == [None] * 20, errors
    consumer = Consumer({**config, "group.id": f"g-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values, deadline = [], time.time() + 20
    while len(values) < 20 and time.time() < deadline:
        message = consumer.poll(1)
        if message and not message.error():
            values.append(message.value())
    consumer.close()
    assert values == [bytes([number]) * 50_000 for number in range(20)], len(values)


def refused(config, *words):
    errors = []
    producer = Producer({**config, "error_cb": errors.append, "logger": None})
    deadline = time.time() + 15
    while time.time() < deadline:
        producer.poll(0.1)
        if any(word in str(error) for error in errors for word in words):
            return
    raise AssertionError(f"not refused: {errors}")


alice = {"ssl_certificate_location": f"{folder}/alice.pem", "ssl_key_location": f"{folder}/alice.key"}
login = {"sasl_mechanism": "PLAIN", "sasl_username": "alice"}
round_trip("rdkafka-ssl", settings(ssl))
round_trip("rdkafka-sasl-ssl", settings(sasl_ssl, "SASL_SSL", sasl_password="alice-secret", **login))
round_trip("rdkafka-mutual", settings(mutual, **alice))
refused(settings(mutual), "certificate required")
refused({**settings(ssl), "ssl.ca.location": f"{folder}/other-ca.pem"}, "certificate verify failed")
refused(settings(sasl_ssl, "SASL_SSL", sasl_password="wrong", **login), "Authentication failed")
print("DONE")
