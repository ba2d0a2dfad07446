"""One row at a time, from the commit in the source table to its appearance in the target table."""

import collections
import contextlib
import glob
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from processes import Sluice, cpu_percent, free_port, resident_mb

Latency = collections.namedtuple("Latency", "milliseconds idle_cpu_percent database_cpu_percent resident_mb")
Database = collections.namedtuple(
    "Database", "config connect create pid fill read_limit write_limit last_id",
    defaults=[None, None, None, lambda writer: writer.lastrowid])

COLUMNS = "name varchar(20), pwd varchar(20), created_at datetime default"


@contextlib.contextmanager
def sqlite():
    folder = tempfile.mkdtemp(prefix="sluice-bench-db-")
    path = os.path.join(folder, "shop.db")
    yield Database(
        config={"connection.url": f"jdbc:sqlite:{path}"},
        connect=lambda: sqlite3.connect(path, isolation_level=None, timeout=10),
        create=f"create table users(id integer primary key autoincrement, {COLUMNS} (datetime('now')))",
        pid=None)
    shutil.rmtree(folder)


@contextlib.contextmanager
def mariadb():
    import pymysql
    folder = tempfile.mkdtemp(prefix="sluice-bench-db-")
    port, account = free_port(), ["--user=root"] if os.geteuid() == 0 else []
    socket = os.path.join(folder, "sock")
    path = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *account, f"--datadir={folder}/data", "--skip-test-db",
         "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL, env=path)
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", *account, f"--datadir={folder}/data", f"--socket={socket}", f"--port={port}",
         "--bind-address=127.0.0.1"], stderr=subprocess.DEVNULL, env=path)
    try:
        def connect(database="mydb"):
            return pymysql.connect(
                host="127.0.0.1", port=port, user="root", password="", database=database, autocommit=True).cursor()
        until(30, lambda: os.path.exists(socket), "MariaDB did not start")

        def client(*arguments):
            return ["mariadb", "--no-defaults", "-uroot", "-S", socket, "--local-infile=1", "--batch",
                    "--skip-column-names", "mydb", *arguments]
        connect(None).execute("create database mydb")
        yield Database(
            config={"connection.url": f"jdbc:mysql://127.0.0.1:{port}/mydb", "connection.user": "root",
                    "connection.password": ""},
            connect=connect,
            create=f"create table users(id int auto_increment primary key, {COLUMNS} now())",
            pid=server.pid,
            fill="insert into users(name, pwd) select concat('name', seq), concat('pwd', seq) from seq_1_to_{rows}",
            read_limit=lambda: seconds(client("--quick", "-e", "select * from users")),
            write_limit=lambda rows: bulk_write(
                client, folder, rows, "select * from users limit {rows}",
                "create table bulk_copy(id int primary key, name text, pwd text, created_at datetime(3)); "
                "load data local infile '{path}' into table bulk_copy"))
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


@contextlib.contextmanager
def postgresql():
    import psycopg2
    folder = tempfile.mkdtemp(prefix="sluice-bench-db-")
    port = free_port()
    bin_folder = max(glob.glob("/usr/lib/postgresql/*/bin"), default=os.path.dirname(shutil.which("initdb") or ""))
    become = []
    if os.geteuid() == 0:  # the server refuses to run as root
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*become, f"{bin_folder}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust"],
                   check=True, cwd="/", **quiet)
    server = subprocess.Popen(
        [*become, f"{bin_folder}/postgres", "-D", f"{folder}/data", "-k", folder, "-p", str(port),
         "-c", "listen_addresses=127.0.0.1", "-c", "max_wal_size=4GB"], cwd="/", **quiet)
    try:
        def connect(database="mydb"):
            connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=database)
            connection.autocommit = True
            return connection.cursor()

        def client(*arguments):
            return [f"{bin_folder}/psql", "-X", "-q", "-A", "-t", "-h", folder, "-p", str(port), "-U", "postgres",
                    "mydb", *arguments]
        ready = [f"{bin_folder}/pg_isready", "-q", "-h", folder, "-p", str(port)]
        until(30, lambda: subprocess.run(ready).returncode == 0, "PostgreSQL did not start")
        connect("postgres").execute("create database mydb")
        yield Database(
            config={"connection.url": f"jdbc:postgresql://127.0.0.1:{port}/mydb", "connection.user": "postgres"},
            connect=connect,
            create=f"create table users(id serial primary key, {COLUMNS.replace('datetime', 'timestamp')} now())",
            pid=server.pid,
            fill="insert into users(name, pwd) select 'name' || n, 'pwd' || n from generate_series(1, {rows}) n",
            read_limit=lambda: seconds(client("-c", "copy users to stdout (format binary)")),
            write_limit=lambda rows: bulk_write(
                client, folder, rows, "copy (select * from users limit {rows}) to stdout",
                "create table bulk_copy(id int primary key, name text, pwd text, created_at timestamp)",
                "\\copy bulk_copy from '{path}'", option="-c"),
            last_id=lambda writer: (writer.execute("select lastval()"), writer.fetchone())[1][0])
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for the clients
        server.wait()
        shutil.rmtree(folder)


def seconds(command):
    """How long a client takes, its output thrown away."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def bulk_write(client, folder, rows, read, *write, option="-e"):
    """Seconds of the database's own bulk write of so many rows from a file."""
    path = os.path.join(folder, "rows")
    with open(path, "wb") as file:
        subprocess.run(client(option, read.format(rows=rows)), check=True, stdout=file)
    arguments = [part for text in write for part in (option, text.format(path=path))]
    return seconds(client(*arguments))


def until(seconds, holds, complaint):
    deadline = time.perf_counter() + seconds
    while not holds():
        if time.perf_counter() > deadline:
            raise SystemExit(f"bench: {complaint}")
        time.sleep(0.005)


def register(rest, name, config):
    body = json.dumps({"name": name, "config": {"tasks.max": "1", **config}}).encode()
    request = urllib.request.Request(
        f"{rest}/connectors", body, {"Content-Type": "application/json"}, method="POST")
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"bench: POST /connectors answered {error.code} {error.read().decode()}")

    def runs():
        try:
            status = json.load(urllib.request.urlopen(f"{rest}/connectors/{name}/status"))
        except urllib.error.HTTPError:
            return False
        return [task["state"] for task in status["tasks"]] == ["RUNNING"]
    until(30, runs, f"{name} does not run")


def arrived(cursor, identifier):
    try:
        cursor.execute(f"select 1 from my_topic_users where id = {identifier}")
        return cursor.fetchone() is not None
    except Exception:  # the table is not there yet
        return False


def measure_latency(binary, open_database, rows):
    """Sends rows one by one, at random distances, through the tutorial's two connectors with default settings."""
    with open_database() as database, Sluice(binary, "up") as sluice:
        sluice.until_ready()
        rest = f"http://127.0.0.1:{sluice.rest_port}"
        connection = database.connect()
        writer = connection.cursor() if hasattr(connection, "cursor") else connection
        connection = database.connect()
        reader = connection.cursor() if hasattr(connection, "cursor") else connection
        writer.execute(database.create)
        register(rest, "my-source-connect", {
            "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "mode": "incrementing",
            "incrementing.column.name": "id", "table.whitelist": "users", "topic.prefix": "my_topic_",
            **database.config})
        register(rest, "my-sink-connect", {
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "auto.create": "true",
            "auto.evolve": "true", "topics": "my_topic_users", **database.config})

        def send():
            writer.execute("insert into users(name, pwd) values('test', 'test1234')")
            committed = time.perf_counter()
            identifier = database.last_id(writer)
            while not arrived(reader, identifier):
                if time.perf_counter() - committed > 30:
                    raise SystemExit(f"bench: row {identifier} did not arrive")
                time.sleep(0.0003)
            return (time.perf_counter() - committed) * 1000

        for _ in range(20):
            send()
        random.seed(1)
        milliseconds = []
        for _ in range(rows):
            time.sleep(random.uniform(0.005, 0.06))
            milliseconds.append(send())
        time.sleep(2)
        pids = [sluice.process.pid] + ([database.pid] if database.pid else [])
        busy = cpu_percent(pids, 10)
        return Latency(milliseconds, busy[0], busy[1] if len(busy) > 1 else None, resident_mb(sluice.process.pid))
