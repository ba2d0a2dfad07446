"""Many rows: a table into a topic, and a topic into a table, with worker, broker and database apart.

Rows per second, from the request that makes the connector to the last row, and CPU seconds per million rows; beside
them, in the same run, the database's own limit with its own client: a streamed read, and its best bulk write.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from latency import mariadb, postgresql, register, until
from processes import Program, Sluice, cpu_seconds_fine, free_port
from table import print_table

WORKER = """bootstrap.servers=127.0.0.1:{broker}
group.id=bench
listeners=http://127.0.0.1:{rest}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
"""


class Worker(Program):
    """`sluice connect-distributed` on a broker."""

    def __init__(self, binary, broker):
        self.binary, self.broker = binary, broker

    def start(self):
        self.rest_port = free_port()
        path = os.path.join(self.folder, "worker.properties")
        with open(path, "w") as properties:
            properties.write(WORKER.format(broker=self.broker, rest=self.rest_port))
        return self.launch(self.binary, "connect-distributed", path)

    @property
    def rest(self):
        return f"http://127.0.0.1:{self.rest_port}"


class Meter:
    """Time, and CPU time of processes (children included where the database has one process per connection)."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        self.before = [sum(cpu_seconds_fine(pid) for pid in family(pid)) for pid in self.pids]
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.began
        after = [sum(cpu_seconds_fine(pid) for pid in family(pid)) for pid in self.pids]
        self.cpu = [max(end - start, 0) for start, end in zip(self.before, after)]


def family(pid):
    """A process and its children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [pid] + [int(child) for child in children.read().split()]
    except OSError:
        return [pid]


def end_offset(consumer, topic):
    from confluent_kafka import KafkaException, TopicPartition
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5)[1]
    except KafkaException:
        return 0


def delete(rest, name):
    urllib.request.urlopen(urllib.request.Request(f"{rest}/connectors/{name}", method="DELETE")).read()


def ask(cursor, question):
    try:
        cursor.execute(question)
        return cursor.fetchone()[0] or 0
    except Exception:  # the table is not there yet
        return 0


def peak_mb(pid):
    """The most memory that a process has had so far."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def line(name, rows, meter, limit, worker, goal):
    per_million = [f"{seconds / rows * 1e6:.2f}" for seconds in meter.cpu]
    return [name, f"{rows / meter.seconds / 1000:.0f}", *per_million, f"{peak_mb(worker.process.pid):.0f}",
            f"{rows / limit / 1000:.0f}", f"{limit / meter.seconds * 100:.0f} %", goal]


def measure(binary, name, open_database, rows):
    from confluent_kafka import Consumer
    lines = []
    with open_database() as database, Sluice(binary, "broker") as broker:
        broker.until_ready()
        cursor = database.connect()
        cursor = cursor.cursor() if hasattr(cursor, "cursor") else cursor
        cursor.execute(database.create)
        cursor.execute(database.fill.format(rows=rows))
        consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{broker.port}", "group.id": "bench-look"})
        limit = database.read_limit()
        with Worker(binary, broker.port) as worker:
            worker.until(lambda: rest_answers(worker.rest))
            with Meter([worker.process.pid, broker.process.pid, database.pid]) as meter:
                register(worker.rest, "source", {
                    "connector.class": "JdbcSource", "mode": "incrementing", "incrementing.column.name": "id",
                    "table.whitelist": "users", "topic.prefix": "my_topic_", **database.config})
                until(600, lambda: end_offset(consumer, "my_topic_users") >= rows, "the source is not done")
            lines.append(line(f"{name} source", rows, meter, limit, worker, "500, 1.5"))
            delete(worker.rest, "source")
        limit = database.write_limit(rows)
        with Worker(binary, broker.port) as worker:
            worker.until(lambda: rest_answers(worker.rest))
            for mode in ["insert", "upsert"]:
                table = f"copy_{mode}"
                with Meter([worker.process.pid, broker.process.pid, database.pid]) as meter:
                    register(worker.rest, f"sink-{mode}", {
                        "connector.class": "JdbcSink", "auto.create": "true", "topics": "my_topic_users",
                        "table.name.format": table, "insert.mode": mode, "pk.mode": "record_value", "pk.fields": "id",
                        **database.config})
                    # The greatest key costs the database nothing, a count would be a scan each time.
                    until(600, lambda: ask(cursor, f"select max(id) from {table}") >= rows, f"the {mode} sink is not done")
                lines.append(line(f"{name} sink, {mode}", rows, meter, limit, worker, "80 %, 2"))
                delete(worker.rest, f"sink-{mode}")
                if ask(cursor, f"select count(*) from {table}") != rows:
                    raise SystemExit(f"bench: {table} does not have {rows} rows")
        consumer.close()
    return lines


def rest_answers(rest):
    try:
        return json.load(urllib.request.urlopen(rest, timeout=2)) is not None
    except OSError:
        return False


def sql_table(binary, rows):
    lines = []
    for name, database in [("MariaDB", mariadb), ("PostgreSQL", postgresql)]:
        lines += measure(binary, name, database, rows)
    lines.append(["Java, defaults, recorded, source", "54", "10-16", "-", "-", "700-1800", "-", "-", "peer"])
    lines.append(["Java, defaults, recorded, sink", "9", "16-46", "-", "-", "700-1800", "-", "-", "peer"])
    print_table(
        f"{rows} rows; CPU s per million rows; the database's own read or bulk write, and the share of it",
        ["", "krows/s", "worker", "broker", "database", "peak MB", "own krows/s", "share", "goal"], lines)
