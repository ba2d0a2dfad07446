"""librdkafka's admin client.

usage: admin.py BOOTSTRAP
"""
import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType)

bootstrap = sys.argv[1]
admin = AdminClient({"bootstrap.servers": bootstrap})
TOPIC = "rd-admin"

admin.create_topics([NewTopic(TOPIC, 2, 1, config={"retention.ms": "86400000"})])[TOPIC].result(10)
try:
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(10)
    raise SystemExit("created twice")
except KafkaException as error:
    assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
try:
    admin.create_topics([NewTopic("rd admin", 1, 1)])["rd admin"].result(10)
    raise SystemExit("illegal name accepted")
except KafkaException as error:
    assert error.args[0].name() == "TOPIC_EXCEPTION" and "ASCII" in error.args[0].str(), error
print("ok create", flush=True)

admin.create_partitions([NewPartitions(TOPIC, 4)])[TOPIC].result(10)
assert len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions) == 4
print("ok partitions", flush=True)

resource = ConfigResource(ResourceType.TOPIC, TOPIC)
configs = admin.describe_configs([resource])[resource].result(10)
assert configs["retention.ms"].value == "86400000" and not configs["retention.ms"].is_default
assert configs["cleanup.policy"].value == "delete" and configs["cleanup.policy"].is_default
change = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
    ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
admin.incremental_alter_configs([change])[change].result(10)
configs = admin.describe_configs([resource])[resource].result(10)
assert configs["cleanup.policy"].value == "delete,compact" and configs["retention.ms"].value == "604800000"
broker = ConfigResource(ResourceType.BROKER, "1")
assert "num.partitions" in admin.describe_configs([broker])[broker].result(10)
print("ok configs", flush=True)

cluster = admin.describe_cluster().result(10)
assert len(cluster.nodes) == 1 and cluster.controller.id == 1 and cluster.cluster_id, cluster
described = admin.describe_topics(__import__("confluent_kafka").TopicCollection([TOPIC]))[TOPIC].result(10)
assert len(described.partitions) == 4 and not described.is_internal
print("ok describe", flush=True)

producer = Producer({"bootstrap.servers": bootstrap})
for number in range(10):
    producer.produce(TOPIC, key=str(number), value="v", partition=0, timestamp=1_700_000_000_000 + number)
assert producer.flush(10) == 0
first = TopicPartition(TOPIC, 0)
assert admin.list_offsets({first: OffsetSpec.latest()})[first].result(10).offset == 10
assert admin.list_offsets({first: OffsetSpec.for_timestamp(1_700_000_000_004)})[first].result(10).offset == 4
assert admin.list_offsets({first: OffsetSpec.max_timestamp()})[first].result(10).offset == 9
deleted = admin.delete_records([TopicPartition(TOPIC, 0, 5)])[first].result(10)
assert deleted.low_watermark == 5
assert admin.list_offsets({first: OffsetSpec.earliest()})[first].result(10).offset == 5
print("ok offsets and deleted records", flush=True)

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "rd-admin-group", "enable.auto.commit": False})
consumer.commit(offsets=[TopicPartition(TOPIC, 0, 7, metadata="seven")], asynchronous=False)
consumer.close()
wanted = ConsumerGroupTopicPartitions("rd-admin-group")
offsets = admin.list_consumer_group_offsets([wanted])["rd-admin-group"].result(10).topic_partitions
assert [(o.topic, o.partition, o.offset) for o in offsets] == [(TOPIC, 0, 7)], offsets
moved = ConsumerGroupTopicPartitions("rd-admin-group", [TopicPartition(TOPIC, 0, 3)])
admin.alter_consumer_group_offsets([moved])["rd-admin-group"].result(10)
offsets = admin.list_consumer_group_offsets([wanted])["rd-admin-group"].result(10).topic_partitions
assert offsets[0].offset == 3
listed = admin.list_consumer_groups().result(10)
assert not listed.errors and "rd-admin-group" in [group.group_id for group in listed.valid]
group = admin.describe_consumer_groups(["rd-admin-group"])["rd-admin-group"].result(10)
assert group.state.name == "EMPTY", group.state
admin.delete_consumer_groups(["rd-admin-group"])["rd-admin-group"].result(10)
assert "rd-admin-group" not in [group.group_id for group in admin.list_consumer_groups().result(10).valid]
print("ok groups", flush=True)

admin.delete_topics([TOPIC])[TOPIC].result(10)
assert TOPIC not in admin.list_topics(timeout=10).topics
print("DONE", flush=True)
