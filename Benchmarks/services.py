"""The service library: what a listener handles a second, beside the same loop on confluent-kafka's consumer, and what
the outbox's relay delivers a second."""

import json
import os
import subprocess
import tempfile
import time

from processes import Sluice
from table import print_table


def load(port, topic, count):
    """Fills a topic with orders of 200 bytes of JSON."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    servers = f"127.0.0.1:{port}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for number in range(count):
        order = {"id": number, "productId": number % 10, "qty": 1, "unitPrice": 100, "note": ""}
        order["note"] = "x" * (200 - len(json.dumps(order, separators=(",", ":"))))
        producer.produce(topic, json.dumps(order, separators=(",", ":")), key=str(number % 1000))
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def confluent(port, topic, count):
    """Records per second, from the first to the last: poll, decode, add up, commit as auto-commit does."""
    from confluent_kafka import Consumer

    consumer = Consumer({
        "bootstrap.servers": f"127.0.0.1:{port}", "group.id": "confluent", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    done, total, began = 0, 0, None
    while done < count:
        for record in consumer.consume(500, 1.0):
            if record.error():
                continue
            began = began or time.perf_counter()
            total += json.loads(record.value())["qty"]
            done += 1
    seconds = time.perf_counter() - began
    consumer.close()
    return count / seconds


def probe(binary, *arguments):
    return float(subprocess.run([binary, *arguments], check=True, capture_output=True, text=True).stdout.split()[0])


def services_tables(sluice, binary, count):
    with Sluice(sluice, "broker") as broker:
        broker.until_ready()
        servers = f"127.0.0.1:{broker.port}"
        load(broker.port, "measured", count)
        peer = confluent(broker.port, "measured", count)
        rows = [["confluent-kafka, one loop", f"{peer:,.0f}", "1.0x"]]
        for concurrency in (1, 8):
            rate = probe(binary, "listen", "--bootstrap", servers, "--topic", "measured", "--count", str(count),
                         "--group", f"listener-{concurrency}", "--concurrency", str(concurrency))
            rows.append([f"KafkaListener, concurrency {concurrency}", f"{rate:,.0f}", f"{rate / peer:.1f}x"])
        print_table(f"Listener, {count:,} records of 200 bytes of JSON", ["", "records/s", "ratio"], rows)
        with tempfile.TemporaryDirectory() as folder:
            rate = probe(binary, "relay", "--bootstrap", servers, "--topic", "relayed", "--count", str(count // 4),
                         "--database", f"jdbc:sqlite:{os.path.join(folder, 'outbox.db')}")
        print_table("Outbox relay, SQLite", ["", "rows/s"], [["OutboxRelay, 500 rows a batch", f"{rate:,.0f}"]])
