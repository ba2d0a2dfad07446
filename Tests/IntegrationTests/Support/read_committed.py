"""Prints every committed value of a topic with two partitions; fails if a transaction hangs.

read_committed.py BOOTSTRAP TOPIC
"""
import sys
import time

from confluent_kafka import Consumer, TopicPartition

bootstrap, topic = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed",
    "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
ended, deadline = set(), time.time() + 60
while len(ended) < 2:
    if time.time() > deadline:
        sys.exit("the end is not reached: a transaction hangs")
    message = consumer.poll(1)
    if message is None:
        continue
    if message.error():
        ended.add(message.partition())
    else:
        print(message.value().decode())
for partition in range(2):
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
    position = consumer.position([TopicPartition(topic, partition)])[0].offset
    if position != high:
        sys.exit("partition %d: read up to %d, the log ends at %d: a transaction hangs" % (partition, position, high))
consumer.close()
