"""librdkafka's admin client changes settings of the broker and of the cluster's default, and sees where they come from.

usage: broker_configs.py BOOTSTRAP
"""
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, ResourceType)

admin = AdminClient({"bootstrap.servers": sys.argv[1]})
NAME = "log.retention.ms"


def alter(broker, name, value, operation=AlterConfigOpType.SET):
    change = ConfigResource(ResourceType.BROKER, broker, incremental_configs=[
        ConfigEntry(name, value, incremental_operation=operation)])
    admin.incremental_alter_configs([change])[change].result(10)


def describe(name):
    resource = ConfigResource(ResourceType.BROKER, "1")
    return admin.describe_configs([resource])[resource].result(10)[name]


assert describe(NAME).source == ConfigSource.DEFAULT_CONFIG.value and not describe(NAME).is_read_only
alter("1", NAME, "3600000")
entry = describe(NAME)
assert entry.value == "3600000" and entry.source == ConfigSource.DYNAMIC_BROKER_CONFIG.value, vars(entry)
# The synonyms are a dictionary by name here: the last one, Kafka's default, is left.
assert entry.synonyms[NAME].value == "604800000", entry.synonyms
alter("1", NAME, None, AlterConfigOpType.DELETE)
assert describe(NAME).is_default
try:
    alter("1", "log.dirs", "/tmp/elsewhere")
    raise SystemExit("log.dirs changed")
except KafkaException as error:
    assert error.args[0].name() == "INVALID_REQUEST", error
assert describe("log.dirs").is_read_only
print("DONE")
