"""A running group goes from the classic protocol to the consumer protocol, member by member, and back (KIP-848).

At each step the members share all partitions without overlap; at the end every record was read, by whoever had its partition.
"""

import sys
import threading
import time

from confluent_kafka import Consumer, ConsumerGroupType, Producer
from confluent_kafka.admin import AdminClient, NewTopic

SERVERS, STRATEGY = sys.argv[1], sys.argv[2]
TOPIC, GROUP, PARTITIONS = "moving-" + STRATEGY, "movers-" + STRATEGY, 6

admin = AdminClient({"bootstrap.servers": SERVERS})
admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result(30)

sent, stop = [0] * PARTITIONS, threading.Event()
producer = Producer({"bootstrap.servers": SERVERS, "linger.ms": 5, "enable.idempotence": True})


def produce():
    number = 0
    while not stop.wait(0.01):
        partition = number % PARTITIONS
        producer.produce(TOPIC, str(sent[partition]), partition=partition)
        sent[partition] += 1
        number += 1
        producer.poll(0)
    assert producer.flush(30) == 0


seen = [set() for _ in range(PARTITIONS)]
members = {}


def member(name, protocol):
    settings = {
        "bootstrap.servers": SERVERS, "group.id": GROUP, "client.id": name, "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 200, "group.protocol": protocol}
    if protocol == "classic":
        settings |= {
            "partition.assignment.strategy": STRATEGY, "session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
    consumer = Consumer(settings)
    consumer.subscribe([TOPIC])
    members[name] = consumer


def poll():
    for name, consumer in members.items():
        message = consumer.poll(0.02)
        if message is None:
            continue
        assert not message.error(), f"{name}: {message.error()}"
        partition, offset = message.partition(), message.offset()
        assert int(message.value()) == offset
        seen[partition].add(offset)


def until(what, holds, seconds=60):
    deadline = time.time() + seconds
    while not holds():
        shares = {name: sorted(p.partition for p in c.assignment()) for name, c in members.items()}
        assert time.time() < deadline, f"{what}: {shares}"
        poll()
    print(what)


def shares(*counts):
    def holds():
        held = [[p.partition for p in consumer.assignment()] for consumer in members.values()]
        return sorted(map(len, held)) == sorted(counts) and sorted(sum(held, [])) == list(range(PARTITIONS))
    return holds


def kind():
    listed = admin.list_consumer_groups().result(30).valid
    return next(group.type for group in listed if group.group_id == GROUP)


def leave(name):
    members.pop(name).close()


thread = threading.Thread(target=produce)
thread.start()
try:
    member("a", "classic")
    member("b", "classic")
    until("two classic members share", shares(3, 3))
    assert kind() == ConsumerGroupType.CLASSIC
    member("c", "consumer")
    until("one of the consumer protocol beside them", shares(2, 2, 2))
    assert kind() == ConsumerGroupType.CONSUMER
    leave("a")
    until("one classic member has left", shares(3, 3))
    member("d", "consumer")
    until("another has come", shares(2, 2, 2))
    leave("b")
    until("all are of the consumer protocol", shares(3, 3))
    member("e", "classic")
    until("a classic member comes", shares(2, 2, 2))
    leave("c")
    leave("d")
    until("only the classic one is left", shares(6))
    assert kind() == ConsumerGroupType.CLASSIC
finally:
    stop.set()
    thread.join()
until("every record was read", lambda: all(len(seen[p]) == sent[p] for p in range(PARTITIONS)))
leave("e")
print("DONE", sum(sent), "records")
