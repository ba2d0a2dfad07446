"""A transactional confluent-kafka producer that numbers its transactions and writes down how each ended.

transactional.py BOOTSTRAP TOPIC OUTCOME_FILE STOP_FILE
Transaction N writes "N-0" to "N-9" over two partitions; every third one is aborted. A line "N commit" or "N abort" in
OUTCOME_FILE says that the broker has confirmed it, "N unknown" that the answer was lost.
(Offsets are left out: librdkafka 2.16's send_offsets_to_transaction never comes back when the broker restarts meanwhile.)
"""
import os
import sys
import time

from confluent_kafka import KafkaException, Producer

bootstrap, topic, outcome_path, stop_path = sys.argv[1:]
# librdkafka sometimes never comes back from destroying a producer that has failed: they are kept.
abandoned = []
outcomes = open(outcome_path, "a", buffering=1)


def patiently(step, *arguments):
    while True:
        try:
            return step(*arguments)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            time.sleep(0.02)


def begin():
    producer = Producer({
        "bootstrap.servers": bootstrap, "transactional.id": "killed", "linger.ms": 1, "transaction.timeout.ms": 60000,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0,
        "error_cb": lambda error: None})
    abandoned.append(producer)
    patiently(producer.init_transactions, 60)
    return producer


producer = begin()
number = 0
while not os.path.exists(stop_path):
    ends = "abort" if number % 3 == 2 else "commit"
    deciding = False
    try:
        producer.begin_transaction()
        for record in range(10):
            producer.produce(topic, value="%d-%d" % (number, record), partition=record % 2)
        if ends == "abort":
            producer.flush(60)
        deciding = True
        patiently(producer.abort_transaction if ends == "abort" else producer.commit_transaction, 60)
        outcomes.write("%d %s\n" % (number, ends))
    except KafkaException as error:
        if error.args[0].txn_requires_abort():
            patiently(producer.abort_transaction, 60)
            outcomes.write("%d abort\n" % number)
        else:
            outcomes.write("%d %s\n" % (number, "unknown" if deciding else "abort"))
            producer = begin()
    number += 1
print(number, flush=True)
os._exit(0)
