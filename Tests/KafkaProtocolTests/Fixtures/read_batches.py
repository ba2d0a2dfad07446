#!/usr/bin/env python3
"""Read record batches with foreign clients, for RecordsForeignReaderTests.

stdin: one batch per line: a name, a space, hex digits. stdout: one line per batch: the name, a space, and either JSON
(list of [offset, timestamp, key, value, [[header, value], …]], bytes as hex, null as null) or "skipped: why".
    read_batches.py kafka-python    parses the bytes with kafka-python
    read_batches.py librdkafka      sends them to librdkafka's own mock broker and consumes them with confluent-kafka
Exit code 77: the client is not installed.
"""
import json
import socket
import struct
import sys


def as_hex(data):
    return None if data is None else bytes(data).hex()


def parse_with_kafka_python(batches):
    from kafka.errors import UnsupportedCodecError
    from kafka.record.memory_records import MemoryRecords

    for name, data in batches:
        records = []
        try:
            for batch in MemoryRecords(data):
                if not batch.validate_crc():
                    raise SystemExit(f"{name}: wrong CRC")
                for r in batch:
                    headers = [[key, as_hex(value)] for key, value in r.headers]
                    records.append([r.offset, r.timestamp, as_hex(r.key), as_hex(r.value), headers])
        except UnsupportedCodecError as error:
            yield name, f"skipped: {error}"
            continue
        yield name, json.dumps(records)


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def produce(address, topic, data):
    """Produce v7 (the first with zstd) over a plain socket."""
    body = struct.pack(">hhi", 0, 7, 1) + string("reader") + struct.pack(">hhii", -1, -1, 5000, 1) + string(topic)
    body += struct.pack(">iii", 1, 0, len(data)) + data
    with socket.create_connection(address) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        stream = connection.makefile("rb")
        answer = stream.read(struct.unpack(">i", stream.read(4))[0])
    error = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0]
    if error != 0:
        raise SystemExit(f"{topic}: the mock broker answered error {error}")


def consume_with_librdkafka(batches):
    from confluent_kafka import Consumer, Producer, TopicPartition

    mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(mock.list_topics(timeout=10).brokers.values()))
    for name, data in batches:
        topic = f"batch-{name}"
        mock.list_topics(topic, timeout=10)  # creates it
        produce((broker.host, broker.port), topic, data)
        consumer = Consumer({
            "bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "reader", "enable.partition.eof": True,
            "auto.offset.reset": "earliest", "check.crcs": True, "enable.auto.commit": False,
        })
        consumer.assign([TopicPartition(topic, 0, 0)])
        records = []
        while (message := consumer.poll(20)) is not None and not message.error():
            headers = [[key, as_hex(value)] for key, value in message.headers() or []]
            key, value = as_hex(message.key()), as_hex(message.value())
            records.append([message.offset(), message.timestamp()[1], key, value, headers])
        consumer.close()
        yield name, json.dumps(records)


def main():
    lines = (line.split() for line in sys.stdin if line.strip())
    batches = [(name, bytes.fromhex(digits)) for name, digits in lines]
    readers = {"kafka-python": parse_with_kafka_python, "librdkafka": consume_with_librdkafka}
    try:
        for name, result in readers[sys.argv[1]](batches):
            print(name, result, flush=True)
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
