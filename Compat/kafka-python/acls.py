"""kafka-python's admin client and ACLs.

usage: acls.py BOOTSTRAP
Users of PLAIN with the password secret: admin (a super user) and alice.
"""
import sys

from kafka import KafkaProducer
from kafka.admin import (
    ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, KafkaAdminClient, NewTopic,
    ResourcePattern, ResourcePatternFilter, ResourceType)
from kafka.errors import KafkaError

bootstrap = sys.argv[1]


def settings(user):
    return {
        "bootstrap_servers": bootstrap, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
        "sasl_plain_username": user, "sasl_plain_password": "secret"}


def produce(user):
    producer = KafkaProducer(max_block_ms=3000, enable_idempotence=False, **settings(user))
    try:
        return producer.send("python", b"value").get(5).offset
    except KafkaError as error:
        return type(error).__name__
    finally:
        producer.close(1)


admin = KafkaAdminClient(**settings("admin"))
admin.create_topics([NewTopic("python", num_partitions=1, replication_factor=1)])
refused = produce("alice")
assert isinstance(refused, str), refused
acl = ACL(
    principal="User:alice", host="*", operation=ACLOperation.WRITE, permission_type=ACLPermissionType.ALLOW,
    resource_pattern=ResourcePattern(ResourceType.TOPIC, "pyth", ACLResourcePatternType.PREFIXED))
print(admin.create_acls([acl]))
assert produce("alice") == 0
everything = ACLFilter(
    principal=None, host=None, operation=ACLOperation.ANY, permission_type=ACLPermissionType.ANY,
    resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))
found = admin.describe_acls(everything)
found = found[0] if isinstance(found, tuple) else found
assert [(entry.principal, entry.resource_pattern.resource_name) for entry in found] == [("User:alice", "pyth")], found
print(admin.delete_acls([everything]))
assert produce("alice") == refused
print("DONE", refused)
