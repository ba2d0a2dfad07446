"""librdkafka: two members of a group share six partitions; one is killed, the other takes over from the committed offsets.

usage: groups.py BOOTSTRAP            the test
       groups.py BOOTSTRAP member     one member, as a process that can be killed
"""
import subprocess
import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap = sys.argv[1]
TOPIC = "rd-six"
SETTINGS = {
    "bootstrap.servers": bootstrap, "group.id": "rd-sharing", "auto.offset.reset": "earliest",
    "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
}


def member():
    consumer = Consumer(SETTINGS)
    consumer.subscribe([TOPIC], on_assign=lambda _, parts: print("assigned", *sorted(p.partition for p in parts), flush=True))
    while True:
        message = consumer.poll(0.2)
        if message and not message.error():
            consumer.commit(message, asynchronous=False)
            print("got", message.partition(), message.offset(), flush=True)


def produce(first, count):
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(first, first + count):
        producer.produce(TOPIC, value=str(number), partition=number % 6)
    assert producer.flush(10) == 0


def main():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, 6, 1)])[TOPIC].result(10)
    other = subprocess.Popen([sys.executable, __file__, bootstrap, "member"], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline().split() == ["assigned", "0", "1", "2", "3", "4", "5"]

    mine = []
    consumer = Consumer(SETTINGS)
    consumer.subscribe([TOPIC], on_assign=lambda _, parts: mine.__setitem__(slice(None), sorted(p.partition for p in parts)))
    deadline = time.time() + 30
    while len(mine) != 3 and time.time() < deadline:
        consumer.poll(0.1)
    assert len(mine) == 3, mine
    theirs = [int(part) for part in other.stdout.readline().split()[1:]]
    assert sorted(mine + theirs) == [0, 1, 2, 3, 4, 5], (mine, theirs)
    print("ok shared", mine, theirs, flush=True)

    produce(0, 60)
    got = [other.stdout.readline().split()[1:] for _ in range(30)]
    assert {int(partition) for partition, _ in got} == set(theirs)
    other.kill()
    other.wait()
    produce(60, 60)
    seen = {partition: [] for partition in range(6)}
    deadline = time.time() + 40
    while any(19 not in offsets for offsets in seen.values()) and time.time() < deadline:
        message = consumer.poll(0.2)
        if message and not message.error():
            seen[message.partition()].append(message.offset())
            consumer.commit(message, asynchronous=False)
    assert sorted(mine) == [0, 1, 2, 3, 4, 5], mine
    for partition in range(6):
        first = 10 if partition in theirs else 0
        assert seen[partition] == list(range(first, 20)), (partition, seen[partition])
    consumer.close()
    print("ok taken over", flush=True)
    groups = admin.list_consumer_groups().result(10)
    assert "rd-sharing" in [group.group_id for group in groups.valid], groups.valid
    print("DONE", flush=True)


member() if len(sys.argv) > 2 else main()
