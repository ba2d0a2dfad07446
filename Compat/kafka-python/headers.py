"""kafka-python writes and reads the headers that Connect's header converters make.

usage: headers.py BOOTSTRAP write TOPIC HEADERS   (one record; HEADERS: JSON list of [name, value in UTF-8])
       headers.py BOOTSTRAP read TOPIC COUNT      (prints a JSON line per record: such a list)
"""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

bootstrap, what, topic, argument = sys.argv[1:]
if what == "write":
    headers = [(name, value.encode()) for name, value in json.loads(argument)]
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, value=b'"x"', headers=headers).get(20)
    producer.close()
else:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20000)
    consumer.assign([TopicPartition(topic, 0)])
    for _, record in zip(range(int(argument)), consumer):
        print(json.dumps([[name, None if value is None else value.decode()] for name, value in record.headers]))
    consumer.close()
