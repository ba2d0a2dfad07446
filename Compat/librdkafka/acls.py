"""librdkafka and ACLs: what is not allowed is refused, per topic, group and transactional id; the admin client's calls.

usage: acls.py BOOTSTRAP
Users of PLAIN with the password secret: admin (a super user), alice and bob.
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
    ResourceType)

bootstrap = sys.argv[1]


def settings(user, **more):
    return {
        "bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
        "sasl.username": user, "sasl.password": "secret", **more}


def produce(user, topic, **more):
    errors = []
    producer = Producer(settings(user, **{"message.timeout.ms": 3000, **more}))
    producer.produce(topic, b"value", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    return errors[0] and errors[0].code()


def consume(user, topic, group):
    consumer = Consumer(settings(user, **{"group.id": group, "auto.offset.reset": "earliest"}))
    consumer.subscribe([topic])
    deadline = time.time() + 15
    try:
        while time.time() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            return message.error().code() if message.error() else message.value()
    except KafkaException as error:
        return error.args[0].code()
    finally:
        consumer.close()
    raise AssertionError("neither a record nor an error")


def acl(kind, name, principal, operation, permission=AclPermissionType.ALLOW, pattern=ResourcePatternType.LITERAL):
    return AclBinding(kind, name, pattern, principal, "*", operation, permission)


def add(*bindings):
    for future in admin.create_acls(list(bindings)).values():
        future.result(20)


admin = AdminClient(settings("admin"))
for future in admin.create_topics([NewTopic("orders", 1), NewTopic("secret-1", 1)]).values():
    future.result(20)

# Nothing is allowed, nothing is seen.
assert produce("alice", "orders", **{"enable.idempotence": False}) == KafkaError.TOPIC_AUTHORIZATION_FAILED
assert list(AdminClient(settings("alice")).list_topics(timeout=10).topics) == []
alice = AdminClient(settings("alice"))
try:
    next(iter(alice.create_topics([NewTopic("mine", 1)]).values())).result(20)
    raise AssertionError("created")
except KafkaException as error:
    assert error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
# A producer, also an idempotent one.
add(acl(ResourceType.TOPIC, "orders", "User:alice", AclOperation.WRITE))
assert produce("alice", "orders") is None
assert produce("bob", "orders", **{"enable.idempotence": False}) == KafkaError.TOPIC_AUTHORIZATION_FAILED
assert list(AdminClient(settings("alice")).list_topics(timeout=10).topics) == ["orders"]

# A consumer needs the topic and the group.
add(acl(ResourceType.TOPIC, "orders", "User:bob", AclOperation.READ))
assert consume("bob", "orders", "readers") == KafkaError.GROUP_AUTHORIZATION_FAILED
add(acl(ResourceType.GROUP, "read", "User:bob", AclOperation.READ, pattern=ResourcePatternType.PREFIXED))
assert consume("bob", "orders", "readers") == b"value"

# A denial beats what is allowed, and a prefix is enough for it.
add(acl(ResourceType.TOPIC, "*", "User:alice", AclOperation.ALL))
assert produce("alice", "secret-1") is None
add(acl(ResourceType.TOPIC, "secret-", "User:*", AclOperation.WRITE, AclPermissionType.DENY, ResourcePatternType.PREFIXED))
assert produce("alice", "secret-1") == KafkaError.TOPIC_AUTHORIZATION_FAILED
assert produce("alice", "orders") is None
assert produce("admin", "secret-1") is None

# Transactions.
producer = Producer(settings("alice", **{"transactional.id": "t-1"}))
try:
    producer.init_transactions(10)
    raise AssertionError("initialised")
except KafkaException as error:
    assert error.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, error
add(acl(ResourceType.TRANSACTIONAL_ID, "t-", "User:alice", AclOperation.WRITE, pattern=ResourcePatternType.PREFIXED))
producer = Producer(settings("alice", **{"transactional.id": "t-1"}))
producer.init_transactions(10)
producer.begin_transaction()
producer.produce("orders", b"value")
producer.commit_transaction(10)

# Seeing and removing.
everything = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
assert len(admin.describe_acls(everything).result(20)) == 6
fitting = AclBindingFilter(
    ResourceType.TOPIC, "secret-7", ResourcePatternType.MATCH, None, None, AclOperation.ANY, AclPermissionType.ANY)
assert {found.name for found in admin.describe_acls(fitting).result(20)} == {"*", "secret-"}
of_alice = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, "User:alice", None, AclOperation.ANY, AclPermissionType.ANY)
removed = next(iter(admin.delete_acls([of_alice]).values())).result(20)
assert len(removed) == 3, removed
assert produce("alice", "orders", **{"enable.idempotence": False}) == KafkaError.TOPIC_AUTHORIZATION_FAILED
print("DONE")
