#!/usr/bin/env python3
"""Make Fixtures/records/*.hex: record batches built by foreign clients, for RecordsForeignTests.

Needs kafka-python 3, python-snappy, lz4, zstandard and confluent-kafka; run it where they are installed:
    python3 make_record_fixtures.py
librdkafka's batches are taken from its own mock broker (test.mock.num.brokers) with a Fetch request written by hand.
Clients do not write control batches: that one is assembled from kafka-python's primitives.
"""
import pathlib
import socket
import struct

from confluent_kafka import Producer
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c, encode_varint

OUT = pathlib.Path(__file__).parent / "records"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def rows():
    """The records of every fixture; RecordsForeignTests builds the same."""
    for i in range(20):
        timestamp = 1_700_000_000_000 + i * 1000 - (5000 if i == 3 else 0)
        key = None if i % 4 == 1 else f"key-{i}".encode()
        value = None if i % 5 == 2 else (f"value-{i} " * 20).encode()
        headers = [] if i % 3 else [("trace", f"t{i}".encode()), ("empty", b""), ("null", None)]
        yield timestamp, key, value, headers


def save(name, data):
    text = bytes(data).hex()
    lines = [text[i : i + 96] for i in range(0, len(text), 96)]
    (OUT / f"{name}.hex").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(data)} bytes")


def kafka_python(codec, transactional=False):
    pid, epoch, sequence = (4711, 3, 2_147_483_640) if transactional else (-1, -1, -1)
    builder = DefaultRecordBatchBuilder(2, CODECS.index(codec), transactional, pid, epoch, sequence, 1 << 20)
    for offset, (timestamp, key, value, headers) in enumerate(rows()):
        builder.append(offset, timestamp, key, value, headers)
    return builder.build()


def control_batch():
    """A commit marker: key = version 0, type 1; value = version 0, coordinator epoch 5."""
    record = bytearray()
    record.append(0)
    for number in (0, 0, 4):
        encode_varint(number, record.append)
    record += struct.pack(">hh", 0, 1)
    encode_varint(6, record.append)
    record += struct.pack(">hi", 0, 5)
    encode_varint(0, record.append)
    body = bytearray()
    encode_varint(len(record), body.append)
    body += record
    after_crc = struct.pack(">hiqqqhii", 0x30, 0, 1_700_000_000_000, 1_700_000_000_000, 4711, 3, -1, 1) + body
    head = struct.pack(">qiibI", 77, len(after_crc) + 9, 2, 2, calc_crc32c(after_crc))
    return head + after_crc


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def fetch(address, topic):
    """The records of partition 0 as the broker stores them: Fetch v4 over a plain socket."""
    body = struct.pack(">hhi", 1, 4, 7) + string("fixtures")
    body += struct.pack(">iiiibi", -1, 500, 1, 1 << 20, 0, 1) + string(topic) + struct.pack(">iiqi", 1, 0, 0, 1 << 20)
    with socket.create_connection(address) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        stream = connection.makefile("rb")
        answer = stream.read(struct.unpack(">i", stream.read(4))[0])
    position = 4 + 4 + 4 + 2 + len(topic) + 4
    _, error, _, _, aborted = struct.unpack_from(">ihqqi", answer, position)
    assert error == 0 and aborted <= 0, (error, aborted)
    position += 4 + 2 + 8 + 8 + 4
    size = struct.unpack_from(">i", answer, position)[0]
    return answer[position + 4 : position + 4 + size]


def librdkafka(codec, transactional=False):
    config = {"test.mock.num.brokers": 1, "compression.codec": codec, "linger.ms": 200, "bootstrap.servers": "mock"}
    if transactional:
        config["transactional.id"] = "fixtures"
    else:
        config["enable.idempotence"] = codec == "lz4"
    producer = Producer(config)
    if transactional:
        producer.init_transactions(10)
        producer.begin_transaction()
    topic = f"fixture-{codec}"
    for timestamp, key, value, headers in rows():
        producer.produce(topic, value=value, key=key, headers=headers, timestamp=timestamp, partition=0)
    producer.flush(10)
    if transactional:
        producer.commit_transaction(10)
    broker = next(iter(producer.list_topics(topic, timeout=5).brokers.values()))
    return fetch((broker.host, broker.port), topic)


def main():
    OUT.mkdir(exist_ok=True)
    for codec in CODECS:
        save(f"kafka-python-{codec}", kafka_python(codec))
        save(f"librdkafka-{codec}", librdkafka(codec))
    save("kafka-python-transactional", kafka_python("none", transactional=True))
    save("librdkafka-transactional", librdkafka("zstd", transactional=True))
    save("control-commit", control_batch())


if __name__ == "__main__":
    main()
