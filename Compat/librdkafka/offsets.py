"""librdkafka: offsets with metadata, and reading on from them.

usage: offsets.py BOOTSTRAP write | check
"""
import sys

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, step = sys.argv[1:]
TOPIC = "rd-offsets"
SETTINGS = {
    "bootstrap.servers": bootstrap, "group.id": "rd-offsets", "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}

consumer = Consumer(SETTINGS)
if step == "write":
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for number in range(100):
        producer.produce(TOPIC, value=str(number), partition=0)
    assert producer.flush(20) == 0
    consumer.subscribe([TOPIC])
    message = None
    for _ in range(40):
        message = consumer.poll(20)
        assert message and not message.error(), message
    assert message.value() == b"39"
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 40, metadata="forty")], asynchronous=False)
else:
    committed = consumer.committed([TopicPartition(TOPIC, 0)], timeout=20)[0]
    assert committed.offset == 40 and committed.metadata == "forty", committed
    consumer.subscribe([TOPIC])
    message = consumer.poll(30)
    assert message and not message.error() and message.value() == b"40" and message.offset() == 40, message
consumer.close()
print("DONE", flush=True)
