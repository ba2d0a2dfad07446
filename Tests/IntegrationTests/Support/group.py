"""Two confluent-kafka consumers in one group over six partitions; one is killed, the other takes over.

share BOOTSTRAP   runs the scene and commits offsets
resume BOOTSTRAP  a new consumer of the group goes on behind the committed offsets
"""
import multiprocessing
import multiprocessing.queues
import os
import signal
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "shared"
mode, bootstrap = sys.argv[1:]


def config(**more):
    return {"bootstrap.servers": bootstrap, "group.id": "g", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
            "auto.offset.reset": "earliest", "enable.auto.commit": False, **more}


def member(queue):
    consumer = Consumer(config())
    consumer.subscribe([TOPIC], on_assign=lambda c, p: queue.put(("assigned", os.getpid(), [x.partition for x in p])))
    while True:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            queue.put(("message", os.getpid(), (message.partition(), message.offset())))


def produce(count, start):
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for number in range(start, start + count):
        producer.produce(TOPIC, value=b"%d" % number, partition=number % 6)
    assert producer.flush(30) == 0


def until(what, condition, queue, seconds=60):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            raise SystemExit("waited in vain for " + what)
        try:
            handle(*queue.get(timeout=0.5))
        except multiprocessing.queues.Empty:
            pass


assigned, seen = {}, set()


def handle(kind, pid, value):
    if kind == "assigned":
        assigned[pid] = value
    else:
        seen.add(value)


def share():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, num_partitions=6, replication_factor=1)])[TOPIC].result(30)
    queue = multiprocessing.Queue()
    members = [multiprocessing.Process(target=member, args=(queue,), daemon=True) for _ in range(2)]
    for process in members:
        process.start()
    until("three partitions each", lambda: sorted(map(len, assigned.values())) == [3, 3], queue)
    assert sorted(sum(assigned.values(), [])) == [0, 1, 2, 3, 4, 5], assigned
    produce(60, 0)
    until("60 messages", lambda: len(seen) == 60, queue)
    os.kill(members[0].pid, signal.SIGKILL)
    until("take-over", lambda: sorted(assigned.get(members[1].pid, [])) == [0, 1, 2, 3, 4, 5], queue)
    produce(60, 60)
    until("120 messages", lambda: len(seen) == 120, queue)
    members[1].kill()
    committer = Consumer(config(**{"group.id": "committed"}))
    committer.commit(offsets=[TopicPartition(TOPIC, p, 15) for p in range(6)], asynchronous=False)
    committer.close()


def resume():
    consumer = Consumer(config(**{"group.id": "committed"}))
    offsets = consumer.committed([TopicPartition(TOPIC, p) for p in range(6)], timeout=30)
    assert [o.offset for o in offsets] == [15] * 6, offsets
    consumer.subscribe([TOPIC])
    got = []
    deadline = time.time() + 60
    while len(got) < 30 and time.time() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            got.append(int(message.value()))
    assert sorted(got) == list(range(90, 120)), got
    consumer.close()


share() if mode == "share" else resume()
