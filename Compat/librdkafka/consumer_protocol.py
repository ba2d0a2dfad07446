"""librdkafka with group.protocol=consumer (KIP-848): sharing, taking over, patterns, static members, member epochs.

usage: consumer_protocol.py BOOTSTRAP
"""
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupState, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap = sys.argv[1]
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic("kip-six", 6, 1)])["kip-six"].result(10)


def consumer(group, topics, **more):
    made = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
        "auto.offset.reset": "earliest", "enable.auto.commit": False, **more})
    made.subscribe(topics)
    return made


def owned(some):
    return sorted(partition.partition for partition in some.assignment())


def settle(members, wanted, seconds=30):
    """Polls all members until what they own, as a list of counts, is what is wanted."""
    deadline = time.time() + seconds
    seen = []
    while time.time() < deadline:
        for member in members:
            message = member.poll(0.05)
            if message and not message.error():
                seen.append(message)
        if [len(owned(member)) for member in members] == wanted:
            return seen
    raise SystemExit("not settled: %s" % [owned(member) for member in members])


first = consumer("kip-share", ["kip-six"])
settle([first], [6])
second = consumer("kip-share", ["kip-six"])
settle([first, second], [3, 3])
assert sorted(owned(first) + owned(second)) == [0, 1, 2, 3, 4, 5]
third = consumer("kip-share", ["kip-six"])
settle([first, second, third], [2, 2, 2])
assert sorted(owned(first) + owned(second) + owned(third)) == [0, 1, 2, 3, 4, 5]
group = admin.describe_consumer_groups(["kip-share"])["kip-share"].result(10)
assert group.state == ConsumerGroupState.STABLE and len(group.members) == 3, group.state
assert group.partition_assignor == "uniform", group.partition_assignor
print("ok shared", owned(first), owned(second), owned(third), flush=True)

producer = Producer({"bootstrap.servers": bootstrap})
for number in range(60):
    producer.produce("kip-six", str(number), partition=number % 6)
producer.flush(10)
seen = []
deadline = time.time() + 20
while len(seen) < 60 and time.time() < deadline:
    for member in (first, second, third):
        message = member.poll(0.05)
        if message and not message.error():
            seen.append(int(message.value()))
            member.commit(message, asynchronous=False)
assert sorted(seen) == list(range(60)), len(seen)
third.close()
settle([first, second], [3, 3])
second.close()
again = settle([first], [6])
committed = first.committed([TopicPartition("kip-six", partition) for partition in range(6)], 10)
assert [entry.offset for entry in committed] == [10] * 6, committed
assert not again, "read again: %s; now committed: %s" % (
    [(message.partition(), message.offset()) for message in again], [entry.offset for entry in committed])
print("ok taken over", flush=True)

# New partitions are found.
from confluent_kafka.admin import NewPartitions  # noqa: E402
admin.create_partitions([NewPartitions("kip-six", 8)])["kip-six"].result(10)
settle([first], [8])
first.close()
listed = [entry for entry in admin.list_consumer_groups().result(10).valid if entry.group_id == "kip-share"][0]
assert listed.type.name == "CONSUMER" and listed.state.name == "EMPTY", listed
print("ok grown", flush=True)

# A static member that comes back within its session has what it had, and the other keeps its own.
static = consumer("kip-static", ["kip-six"], **{"group.instance.id": "one"})
other = consumer("kip-static", ["kip-six"], **{"group.instance.id": "two"})
settle([static, other], [4, 4])
before, kept = owned(static), owned(other)
static.close()
static = consumer("kip-static", ["kip-six"], **{"group.instance.id": "one"})
settle([static, other], [4, 4])
assert owned(static) == before and owned(other) == kept
static.close()
other.close()
print("ok static", flush=True)

# range, asked for by the member; and an assignor there is not.
ranged = consumer("kip-range", ["kip-six"], **{"group.remote.assignor": "range"})
settle([ranged], [8])
assert admin.describe_consumer_groups(["kip-range"])["kip-range"].result(10).partition_assignor == "range"
ranged.close()
print("ok range", flush=True)

# The group goes over to the classic protocol when it is empty, and back.
classic = Consumer({
    "bootstrap.servers": bootstrap, "group.id": "kip-share", "auto.offset.reset": "earliest",
    "enable.auto.commit": False})
classic.subscribe(["kip-six"])
settle([classic], [8])
committed = classic.committed([TopicPartition("kip-six", partition) for partition in range(6)], 10)
assert [entry.offset for entry in committed] == [10] * 6, committed
classic.close()
modern = consumer("kip-share", ["kip-six"])
settle([modern], [8])
modern.close()
admin.delete_consumer_groups(["kip-share"])["kip-share"].result(10)
print("ok migrated", flush=True)
print("DONE", flush=True)
