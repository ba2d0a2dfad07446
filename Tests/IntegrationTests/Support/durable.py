"""A confluent-kafka producer, idempotent or plain, that numbers its messages and writes down what was acknowledged.

durable.py BOOTSTRAP TOPIC ACKED_FILE STOP_FILE [plain]
Sends 0, 1, 2, … with acks=all until STOP_FILE exists, then flushes. Each acknowledged number is a line in ACKED_FILE.
"""
import os
import sys
import time

from confluent_kafka import Producer

bootstrap, topic, acked_path, stop_path = sys.argv[1:5]
idempotent = sys.argv[5:] != ["plain"]
producer = Producer({
    "bootstrap.servers": bootstrap, "enable.idempotence": idempotent, "acks": "all", "linger.ms": 1, "message.timeout.ms": 120000,
    "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0,
    "error_cb": lambda error: None,
})
acked = open(acked_path, "a", buffering=1)


def delivered(error, message):
    if error is not None:
        print("not delivered:", error, file=sys.stderr)
        os._exit(1)
    acked.write("%s\n" % message.value().decode())


number = 0
while not os.path.exists(stop_path):
    # A window of a few thousand keeps several requests in flight without growing while the broker is away.
    if len(producer) < 2000:
        for _ in range(100):
            producer.produce(topic, value=b"%d" % number, on_delivery=delivered)
            number += 1
    producer.poll(0.002)
if producer.flush(120) != 0:
    sys.exit("messages left after flush")
print(number)
