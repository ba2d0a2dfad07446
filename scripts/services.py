"""The whole system on free ports, as the demo and the tests of the example services start it: `sluice up`, instances
of orders, catalogs, and a database. Every child is ended by its own id."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLUICE = os.environ.get("SLUICE", os.path.join(ROOT, ".build/debug/sluice"))
EXAMPLES = os.environ.get("EXAMPLES", os.path.join(ROOT, "Examples/.build/debug"))


class Failure(Exception):
    pass


def until(what, holds, seconds=60, log=None):
    """Asks every 20 ms until `holds` gives something, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        result = holds()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}" + (f"\n{tail(log)}" if log else ""))
        time.sleep(0.02)


def tail(path, size=3000):
    try:
        with open(path, errors="replace") as file:
            return file.read()[-size:]
    except OSError:
        return ""


def call(method, url, body=None, headers=None, timeout=10):
    """Status, headers and JSON of an answer; OSError if there is none."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            try:
                return error.code, error.headers, json.loads(text or b"null")
            except ValueError:
                return error.code, error.headers, text.decode(errors="replace")


class Program:
    """A child that writes its port to a file when it is ready."""

    def __init__(self, name, folder, command, environment=None):
        self.name, self.command, self.environment = name, command, environment or {}
        self.log = os.path.join(folder, f"{name}.log")
        self.ready_file = os.path.join(folder, f"{name}.ready")
        self.folder, self.process, self.ready = folder, None, {}

    def start(self, wait=True):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.ready_file)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [part.replace("READY_FILE", self.ready_file) for part in self.command], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, **self.environment, "READY_FILE": self.ready_file})
        return self.wait() if wait else self

    def wait(self):
        def is_ready():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended at its start:\n{tail(self.log)}")
            try:
                with open(self.ready_file) as file:
                    self.ready = json.load(file)
                    return True
            except (OSError, ValueError):
                return False

        until(f"{self.name} ready", is_ready, log=self.log)
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ready['port']}"

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9."""
        if self.is_running:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM, as a container's runtime does it. Returns the exit status."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failure(f"{self.name} did not stop:\n{tail(self.log)}")
        return self.process.returncode if self.process else None


class SQLite:
    """Databases as files in the system's folder."""

    kind = "SQLite"

    def __init__(self, folder):
        self.folder = folder

    def settings(self, prefix, name):
        return {f"{prefix}_URL": f"jdbc:sqlite:{self.folder}/{name}.db"}

    def connector(self, name):
        return {"connection.url": f"jdbc:sqlite:{self.folder}/{name}.db"}

    def rows(self, name, sql):
        with contextlib.closing(sqlite3.connect(f"{self.folder}/{name}.db", timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def close(self):
        pass


class MariaDB:
    """A MariaDB of its own in the system's folder."""

    kind = "MariaDB"
    password = "test1357"

    def __init__(self, folder):
        import pymysql

        self.pymysql, self.made = pymysql, set()
        self.port, account = free_port(), ["--user=root"] if os.geteuid() == 0 else []
        path = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        data, self.socket = f"{folder}/mariadb", f"{folder}/mariadb.sock"
        log = self.log = open(f"{folder}/mariadb.log", "ab")
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", *account, f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"], check=True, stdout=log, stderr=log, env=path)
        with open(f"{folder}/setup.sql", "w") as setup:
            setup.write(f"SET PASSWORD FOR 'root'@'localhost' = PASSWORD('{self.password}');\n")
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", *account, f"--datadir={data}", f"--socket={self.socket}",
             f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={folder}/mariadb.pid",
             f"--init-file={folder}/setup.sql", "--skip-log-bin", "--innodb-buffer-pool-size=64M"],
            stdout=log, stderr=log, env=path)
        until("MariaDB", self.answers, log=f"{folder}/mariadb.log")

    def answers(self):
        try:
            self.connect(None).close()
            return True
        except self.pymysql.err.MySQLError:
            return False

    def connect(self, database):
        return self.pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", password=self.password, database=database, autocommit=True)

    def url(self, name):
        name = name.replace("-", "_")
        if name not in self.made:
            with contextlib.closing(self.connect(None)) as connection:
                connection.cursor().execute(f"create database if not exists `{name}` character set utf8mb4")
            self.made.add(name)
        return f"jdbc:mariadb://127.0.0.1:{self.port}/{name}"

    def settings(self, prefix, name):
        return {
            f"{prefix}_URL": self.url(name), f"{prefix}_USER": "root", f"{prefix}_PASSWORD": self.password}

    def connector(self, name):
        return {
            "connection.url": self.url(name), "connection.user": "root", "connection.password": self.password}

    def rows(self, name, sql):
        with contextlib.closing(self.connect(name.replace("-", "_"))) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall())

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class System:
    """Broker with Connect, and what is started on it. Use it with `with`."""

    def __init__(self, database=SQLite):
        self.folder = tempfile.mkdtemp(prefix="sluice-services-")
        self.programs, self.database = [], None
        self.make_database = database

    def __enter__(self):
        try:
            for path in [SLUICE, f"{EXAMPLES}/orders", f"{EXAMPLES}/catalogs"]:
                if not os.access(path, os.X_OK):
                    raise Failure(f"{path} is not built: make demo-services builds it")
            self.database = self.make_database(self.folder)
            self.ports = (0, 0)
            self.start_broker()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.kill()
        if self.database:
            self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_broker(self):
        broker = Program("sluice", self.folder, [
            SLUICE, "up", "--data-dir", f"{self.folder}/data", "--port", str(self.ports[0]), "--rest-port",
            str(self.ports[1]), "--ready-file", "READY_FILE"])
        self.programs.append(broker)
        self.broker = broker.start()
        self.ports = (broker.ready["port"], broker.ready["restPort"])
        self.bootstrap = f"127.0.0.1:{self.ports[0]}"
        self.rest = f"http://127.0.0.1:{self.ports[1]}"

    def make_topic(self, name, partitions=3):
        subprocess.run(
            [SLUICE, "topics", "--create", "--topic", name, "--partitions", str(partitions), "--bootstrap-server",
             self.bootstrap], check=True, stdout=subprocess.DEVNULL)

    def program(self, binary, name, database, **settings):
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap, "PORT": "0", **self.database.settings("DATABASE", database),
            **settings}
        program = Program(name, self.folder, [f"{EXAMPLES}/{binary}"], environment)
        self.programs.append(program)
        return program

    def orders(self, name="orders", **settings):
        if settings.get("ORDERS_PUBLISH") == "envelope":
            settings = {**self.database.settings("ORDERS_READ_DATABASE", "all-orders"), **settings}
        return self.program("orders", name, name, **settings)

    def catalogs(self, name="catalogs", **settings):
        return self.program("catalogs", name, "catalogs", **settings)

    def make_sink(self):
        """Topic `orders` into the table `orders` of the database that all instances read."""
        status, _, answer = call("POST", f"{self.rest}/connectors", {"name": "orders-sink", "config": {
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "orders",
            **self.database.connector("all-orders"), "auto.create": "true", "insert.mode": "upsert",
            "pk.mode": "record_value", "pk.fields": "id", "table.name.format": "orders",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter"}})
        if status != 201:
            raise Failure(f"POST /connectors answered {status} {answer}")
        until("the sink to run", self.sink_runs, log=self.broker.log)

    def sink_runs(self):
        status, _, answer = call("GET", f"{self.rest}/connectors/orders-sink/status")
        return status == 200 and [task["state"] for task in answer["tasks"]] == ["RUNNING"]

    def put_product(self, catalogs, product, name, qty, price):
        status, _, answer = call(
            "PUT", f"{catalogs.url}/catalogs/{product}", {"productName": name, "qty": qty, "unitPrice": price})
        if status not in (200, 201):
            raise Failure(f"PUT /catalogs/{product} answered {status} {answer}")

    def stock(self):
        return dict(self.database.rows("catalogs", "select product_id, qty from catalogs"))
