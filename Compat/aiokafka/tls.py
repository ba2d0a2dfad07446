"""aiokafka over SSL, SASL_SSL and with a client's certificate; wrong authority.

usage: tls.py SSL SASL_SSL MUTUAL FOLDER
The first three are ports of listeners of one broker; the folder has ca.pem, other-ca.pem, alice.pem and alice.key.
alice's password for PLAIN is alice-secret.
"""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

ssl, sasl_ssl, mutual, folder = sys.argv[1:]


def settings(port, protocol="SSL", ca="ca.pem", user=None, **more):
    context = create_ssl_context(
        cafile=f"{folder}/{ca}", certfile=user and f"{folder}/{user}.pem", keyfile=user and f"{folder}/{user}.key")
    return {"bootstrap_servers": f"localhost:{port}", "security_protocol": protocol, "ssl_context": context, **more}


async def round_trip(topic, config):
    producer = AIOKafkaProducer(**config)
    await producer.start()
    try:
        assert (await producer.send_and_wait(topic, b"v" * 200_000)).offset == 0
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="earliest", **config)
    await consumer.start()
    try:
        assert (await asyncio.wait_for(consumer.getone(), 20)).value == b"v" * 200_000
    finally:
        await consumer.stop()


async def refused(config):
    producer = AIOKafkaProducer(**config)
    try:
        await producer.start()
    except KafkaError:
        return
    finally:
        await producer.stop()
    raise AssertionError("not refused")


async def main():
    login = {"sasl_mechanism": "PLAIN", "sasl_plain_username": "alice", "sasl_plain_password": "alice-secret"}
    await round_trip("aio-ssl", settings(ssl))
    await round_trip("aio-sasl-ssl", settings(sasl_ssl, "SASL_SSL", **login))
    await round_trip("aio-mutual", settings(mutual, user="alice"))
    await refused(settings(ssl, ca="other-ca.pem"))
    print("DONE")


asyncio.run(main())
