"""A Java Connect worker takes over from Sluice's, gives back, and shares the work with it.

    take_over.py SLUICE [exactly-once]

On Sluice's broker: a file source, a file sink, a paused and a stopped connector. First Sluice's worker runs them, then
Apache Kafka's (4.3, without its REST server: see ConnectWorker.java) with the same group and topics, then Sluice's again,
then both at once. The sink's file must have each line once, and states must be as they were. Prints what it did.
"""
import json, os, re, shutil, signal, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request
import socket

SLUICE, ONCE = sys.argv[1], "exactly-once" in sys.argv[2:]
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = tempfile.mkdtemp(prefix="sluice-java-")
SOURCE, SINK = f"{FOLDER}/in.txt", f"{FOLDER}/out.txt"
PROPERTIES = """bootstrap.servers=127.0.0.1:{port}
group.id=both
config.storage.topic=both-configs
config.storage.replication.factor=1
offset.storage.topic=both-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=both-status
status.storage.replication.factor=1
status.storage.partitions=1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=1000
exactly.once.source.support={support}
"""
processes = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, **more):
    process = subprocess.Popen(command, **more)
    processes.append(process)
    return process


def wait(what, seconds, ask):
    deadline = time.time() + seconds
    while time.time() < deadline:
        try:
            answer = ask()
        except OSError:
            answer = None
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"FAILED: waited {seconds} s in vain for {what}; see {FOLDER}")


class SluiceWorker:
    def __init__(self, port):
        self.port, self.path = free_port(), f"{FOLDER}/sluice.properties"
        with open(self.path, "w") as file:
            file.write(PROPERTIES.format(port=port, support="enabled" if ONCE else "disabled"))
            file.write(f"listeners=http://127.0.0.1:{self.port}\n")

    def start(self):
        log = open(f"{FOLDER}/sluice.log", "ab")
        self.process = start([SLUICE, "connect-distributed", self.path], stdout=log, stderr=log)
        wait("Sluice's worker", 60, lambda: self.call("GET", "/health")[0] == 200)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, method=method,
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def states(self):
        answer = self.call("GET", "/connectors?expand=status")[1]
        return {name: (entry["status"]["connector"]["state"], sorted(t["state"] for t in entry["status"]["tasks"]))
                for name, entry in answer.items()}

    def workers(self):
        answer = self.call("GET", "/connectors?expand=status")[1]
        return {part["worker_id"] for entry in answer.values()
                for part in [entry["status"]["connector"]] + entry["status"]["tasks"] if part["state"] == "RUNNING"}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class JavaWorker:
    def __init__(self, port):
        self.port, self.path = free_port(), f"{FOLDER}/java.properties"
        self.id = f"127.0.0.1:{self.port}"
        with open(self.path, "w") as file:
            file.write(PROPERTIES.format(port=port, support="enabled" if ONCE else "disabled"))
            file.write(f"worker.id={self.id}\nlisteners=http://{self.id}\n")

    def start(self):
        self.line = ""
        log = open(f"{FOLDER}/java.log", "ab")
        self.process = start([f"{HERE}/run.sh", "ConnectWorker", self.path], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=log, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.line = line.strip()

    def states(self):
        found = {}
        for name, state, tasks in re.findall(r"(\S+?)=(\w+)@[^\[]*\[([^\]]*)\]", self.line):
            found[name] = (state, sorted(re.findall(r"=(\w+)@", tasks)))
        return found

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


EXPECTED = {"in": ("RUNNING", ["RUNNING"]), "out": ("RUNNING", ["RUNNING"]), "resting": ("PAUSED", ["PAUSED"]),
            "stopped": ("STOPPED", [])}
written = 0


def lines_flow(count, what):
    """Appends lines and waits until each is in the sink's file, once."""
    global written
    with open(SOURCE, "a") as file:
        for _ in range(count):
            file.write(f"line {written}\n")
            written += 1
    wait(f"{written} lines ({what})", 90, lambda: len(open(SINK).readlines()) >= written)
    time.sleep(1)
    lines = [line.strip() for line in open(SINK)]
    if lines != [f"line {number}" for number in range(written)]:
        raise SystemExit(f"FAILED: {what}: the sink's file has {lines[-20:]}")
    print(f"{what}: {written} lines, each once", flush=True)


def run():
    port = free_port()
    log = open(f"{FOLDER}/broker.log", "ab")
    start([SLUICE, "broker", "--port", str(port), "--data-dir", f"{FOLDER}/data"], stdout=log, stderr=log)
    sluice, java = SluiceWorker(port), JavaWorker(port)
    sluice.start()
    source = {"connector.class": "FileStreamSource", "topic": "lines", "file": SOURCE, "tasks.max": "1"}
    sink = {"connector.class": "FileStreamSink", "topics": "lines", "file": SINK, "tasks.max": "1"}
    for name, config in [("in", source), ("out", sink), ("resting", dict(source, file=f"{FOLDER}/none", topic="none")),
                         ("stopped", dict(source, file=f"{FOLDER}/none", topic="none"))]:
        assert sluice.call("PUT", f"/connectors/{name}/config", config)[0] == 201, name
    wait("four connectors", 30, lambda: sluice.states().get("resting", ("", []))[1] == ["RUNNING"])
    sluice.call("PUT", "/connectors/resting/pause")
    sluice.call("PUT", "/connectors/stopped/stop")
    wait("their states", 30, lambda: sluice.states() == EXPECTED)
    lines_flow(5, "Sluice")
    sluice.stop()
    java.start()
    wait("the same states by the Java worker's account", 90, lambda: java.states() == EXPECTED)
    lines_flow(5, "Java")
    java.stop()
    sluice.start()
    wait("the same states again", 60, lambda: sluice.states() == EXPECTED)
    lines_flow(5, "Sluice again")
    java.start()
    wait("both at work", 90, lambda: len(sluice.workers()) == 2 and sluice.states() == EXPECTED)
    lines_flow(5, "both at once")
    # Sluice leads here: it was there first. What it leaves, the Java worker takes.
    sluice.stop()
    wait("the Java worker to take all", 90, lambda: java.states() == EXPECTED and java.line.count(java.id) >= 6)
    lines_flow(5, "Java once more")
    java.stop()
    print("good")


try:
    run()
    shutil.rmtree(FOLDER, ignore_errors=True)
finally:
    for process in reversed(processes):
        if process.poll() is None:
            process.kill()
            process.wait()
