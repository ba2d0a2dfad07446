"""librdkafka (confluent-kafka): produce and consume with every codec, with and without idempotence; print what came back.

usage: produce_consume.py BOOTSTRAP
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap = sys.argv[1]
COUNT = 300


def produce(topic, codec, idempotent):
    failures = []
    producer = Producer({
        "bootstrap.servers": bootstrap, "compression.codec": codec, "enable.idempotence": idempotent,
        "linger.ms": 5, "acks": "all",
    })
    for number in range(COUNT):
        producer.produce(
            topic, key=f"k{number}", value=f"{codec} {number} " + "x" * 100, partition=number % 2,
            headers={"n": str(number)}, on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0, "not all delivered"
    assert not failures, failures[:3]


def consume(topic, codec):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": f"g-{topic}", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "check.crcs": True,
    })
    consumer.subscribe([topic])
    seen = {0: [], 1: []}
    deadline = time.time() + 30
    while sum(map(len, seen.values())) < COUNT and time.time() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        assert not message.error(), message.error()
        number = int(message.key()[1:])
        assert message.value().decode() == f"{codec} {number} " + "x" * 100
        assert message.headers() == [("n", str(number).encode())]
        assert message.offset() == len(seen[message.partition()])
        seen[message.partition()].append(number)
    assert seen == {0: list(range(0, COUNT, 2)), 1: list(range(1, COUNT, 2))}, {p: len(n) for p, n in seen.items()}
    consumer.commit(asynchronous=False)
    consumer.close()


admin = AdminClient({"bootstrap.servers": bootstrap})
for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    for idempotent in [False, True]:
        topic = f"rd-{codec}-{idempotent}".lower()
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
        produce(topic, codec, idempotent)
        consume(topic, codec)
        print("ok", topic, flush=True)

# Only metadata with auto-creation, as a plain producer does it.
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce("rd-auto-created", value="first")
assert producer.flush(10) == 0
assert "rd-auto-created" in admin.list_topics(timeout=10).topics
print("ok auto-created", flush=True)

# A topic name Kafka refuses.
errors = []
producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 5000})
try:
    producer.produce("no spaces allowed", value="x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors and errors[0].code() == KafkaError.TOPIC_EXCEPTION, errors
finally:
    producer.purge()
print("ok bad name", flush=True)
print("DONE", flush=True)
