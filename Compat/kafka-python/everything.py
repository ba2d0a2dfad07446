"""kafka-python 3: produce, consume, groups, admin.

usage: everything.py BOOTSTRAP
"""
import sys
import time

import kafka.codec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

bootstrap = sys.argv[1]
COUNT = 200

admin = KafkaAdminClient(bootstrap_servers=bootstrap)
# The codecs that this Python has libraries for.
codecs = [None, "gzip"] + [name for name in ["snappy", "lz4", "zstd"] if getattr(kafka.codec, f"has_{name}")()]
for codec in codecs:
    topic = f"kp-{codec}"
    admin.create_topics([NewTopic(topic, 2, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=5)
    futures = [
        producer.send(topic, key=f"k{n}".encode(), value=f"value {n}".encode() * 5, partition=n % 2, headers=[("n", b"%d" % n)])
        for n in range(COUNT)
    ]
    offsets = [future.get(20).offset for future in futures]
    assert offsets == [n // 2 for n in range(COUNT)], offsets[:10]
    producer.close()
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"kp-g-{codec}", auto_offset_reset="earliest",
        enable_auto_commit=False, consumer_timeout_ms=20000)
    seen = []
    for record in consumer:
        n = int(record.key[1:])
        assert record.value == f"value {n}".encode() * 5 and list(record.headers) == [("n", b"%d" % n)], record
        assert record.offset == n // 2 and record.partition == n % 2
        seen.append(n)
        if len(seen) == COUNT:
            break
    assert sorted(seen) == list(range(COUNT)), len(seen)
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(42, "a note", -1)})
    assert consumer.committed(TopicPartition(topic, 0)) == 42
    consumer.close()
    print("ok", topic, flush=True)

topic = "kp-None"
consumer = KafkaConsumer(bootstrap_servers=bootstrap)
first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
assert consumer.beginning_offsets([first, second]) == {first: 0, second: 0}
assert consumer.end_offsets([first, second]) == {first: 100, second: 100}
found = consumer.offsets_for_times({first: 0, second: int(time.time() * 1000) + 60_000})
assert found[first].offset == 0 and found[second] is None, found
consumer.close()
print("ok list offsets", flush=True)

configs = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
print("ok describe configs", str(configs)[:80], flush=True)
admin.create_partitions({topic: NewPartitions(4)})
described = admin.describe_topics([topic])
assert len(described[0]["partitions"]) == 4, described
print("ok partitions", flush=True)
groups = admin.list_groups() if hasattr(admin, "list_groups") else admin.list_consumer_groups()
assert "kp-g-None" in str(groups), groups
offsets = admin.list_group_offsets("kp-g-None") if hasattr(admin, "list_group_offsets") else admin.list_consumer_group_offsets("kp-g-None")
assert "a note" in str(offsets) and "42" in str(offsets), offsets
print("ok groups", flush=True)
transactional = KafkaProducer(bootstrap_servers=bootstrap, transactional_id="kp-tx")
transactional.init_transactions()
for number in range(4):
    transactional.begin_transaction()
    transactional.send("kp-tx", b"%d" % number, partition=0)
    transactional.abort_transaction() if number % 2 else transactional.commit_transaction()
transactional.close()
reader = KafkaConsumer(
    bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest", consumer_timeout_ms=2000)
reader.assign([TopicPartition("kp-tx", 0)])
values = [message.value for message in reader]
assert values == [b"0", b"2"], values
reader.close()
print("ok transactions", flush=True)
admin.delete_topics(["kp-gzip"])
assert "kp-gzip" not in admin.list_topics()
print("ok delete", flush=True)
admin.close()
print("DONE", flush=True)
