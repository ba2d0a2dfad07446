"""librdkafka: transactions, committed, aborted and fenced; offsets sent with them; what read_committed sees.

usage: transactions.py BOOTSTRAP
"""
import sys
import time

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

bootstrap = sys.argv[1]
admin = AdminClient({"bootstrap.servers": bootstrap})
for name, partitions in [("rd-tx", 2), ("rd-tx-in", 1), ("rd-tx-out", 1), ("rd-tx-late", 1)]:
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(10)


def producer(name, **more):
    made = Producer({"bootstrap.servers": bootstrap, "transactional.id": name, "linger.ms": 1, **more})
    made.init_transactions(20)
    return made


def read(topic, isolation, count, group="reader", partitions=(0,)):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
        "isolation.level": isolation, "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    values, ended, deadline = [], set(), time.time() + 20
    while len(ended) < len(partitions) and time.time() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    consumer.close()
    assert len(values) == count, (topic, isolation, values)
    return values


# Committed and aborted transactions in turn; a transaction that is open hides what comes after it.
first = producer("rd-a")
for number in range(6):
    first.begin_transaction()
    for partition in range(2):
        first.produce("rd-tx", f"{number}-{partition}", partition=partition)
    if number % 2:
        first.flush(10)
        first.abort_transaction(20)
    else:
        first.commit_transaction(20)
committed = [f"{number}-{partition}" for partition in range(2) for number in (0, 2, 4)]
assert sorted(read("rd-tx", "read_committed", 6, partitions=(0, 1))) == sorted(committed)
assert len(read("rd-tx", "read_uncommitted", 12, partitions=(0, 1))) == 12
print("ok committed and aborted", flush=True)

plain = Producer({"bootstrap.servers": bootstrap})
first.begin_transaction()
first.produce("rd-tx", "open", partition=0)
first.flush(10)
plain.produce("rd-tx", "behind it", partition=0)
plain.flush(10)
read("rd-tx", "read_committed", 3)
zero = TopicPartition("rd-tx", 0)
stable = admin.list_offsets({zero: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED)[zero].result(10)
latest = admin.list_offsets({zero: OffsetSpec.latest()})[zero].result(10)
assert latest.offset - stable.offset == 2, (stable, latest)
first.commit_transaction(20)
assert read("rd-tx", "read_committed", 5)[-2:] == ["open", "behind it"]
print("ok last stable offset", flush=True)

# A second producer of the id fences the first, whose open transaction is aborted.
first.begin_transaction()
first.produce("rd-tx", "of the fenced", partition=1)
first.flush(10)
second = producer("rd-a")
try:
    first.commit_transaction(20)
    raise SystemExit("the fenced producer committed")
except KafkaException as error:
    assert error.args[0].fatal() and error.args[0].name() == "_FENCED", error
second.begin_transaction()
second.produce("rd-tx", "of the second", partition=1)
second.commit_transaction(20)
assert read("rd-tx", "read_committed", 4, partitions=(1,))[-1] == "of the second"
print("ok fenced", flush=True)

# Consume, transform, produce: records and offsets come together or not at all.
for number in range(20):
    plain.produce("rd-tx-in", str(number), partition=0)
plain.flush(10)
source = Consumer({
    "bootstrap.servers": bootstrap, "group.id": "rd-copy", "auto.offset.reset": "earliest", "enable.auto.commit": False})
source.subscribe(["rd-tx-in"])
copier = producer("rd-copier")
batches = 0
done = 0
while done < 20:
    messages = source.consume(5, 5)
    if not messages:
        continue
    copier.begin_transaction()
    for message in messages:
        assert not message.error(), message.error()
        copier.produce("rd-tx-out", message.value(), partition=0)
    copier.send_offsets_to_transaction(source.position(source.assignment()), source.consumer_group_metadata(), 20)
    batches += 1
    if batches % 2:
        copier.abort_transaction(20)
        for position in source.committed(source.assignment(), 10):
            source.seek(TopicPartition(position.topic, position.partition, max(0, position.offset)))
    else:
        copier.commit_transaction(20)
        done += len(messages)
offset = source.committed([TopicPartition("rd-tx-in", 0)], 10)[0].offset
assert offset == 20, offset
source.close()
assert read("rd-tx-out", "read_committed", 20) == [str(number) for number in range(20)]
print("ok offsets in transactions", batches, flush=True)

# A transaction whose time is up is aborted by the broker.
late = producer("rd-late", **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000})
late.begin_transaction()
late.produce("rd-tx-late", "too late", partition=0)
late.flush(10)
late_zero = TopicPartition("rd-tx-late", 0)
deadline = time.time() + 15
while time.time() < deadline:
    stable = admin.list_offsets({late_zero: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED)
    if stable[late_zero].result(10).offset == 2:
        break
    time.sleep(0.1)
else:
    raise SystemExit("the transaction stays open")
read("rd-tx-late", "read_committed", 0)
try:
    late.commit_transaction(10)
    raise SystemExit("committed after the time was up")
except KafkaException as error:
    assert error.args[0].name() in ("_FENCED", "INVALID_PRODUCER_EPOCH"), error
print("ok timed out", flush=True)

# A timeout above transaction.max.timeout.ms.
try:
    producer("rd-long", **{"transaction.timeout.ms": 1_000_000})
    raise SystemExit("accepted")
except KafkaException as error:
    assert error.args[0].name() == "INVALID_TRANSACTION_TIMEOUT", error
print("DONE", flush=True)
