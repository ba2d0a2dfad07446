"""Three Connect workers as processes on one broker, ten connectors of forty tasks, and a seeded row of accidents:
kill -9, orderly stop, pause of a process (SIGSTOP), restart of the broker.

    connect_chaos.py SLUICE SECONDS SEED DELIVERY [KINDS]

DELIVERY is `exactly-once` (exactly.once.source.support=enabled) or `at-least-once`. Kinds of accidents: kill, stop,
pause (a second), freeze (longer than a session), broker; by default all, at least once without freeze, which may put
an offset back then (docs/decisions/2026-11-22-exactly-once-source.md).

Then: every task runs on one live worker, every write that was sent to a live worker has succeeded, no number is missing
in the topics as a consumer of committed records sees them, no stored offset went back, and the last one is that of the
last number. Exactly once: no number comes twice. At least once: none comes twice once things are quiet. Prints what it
did.
"""
import collections, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time
import urllib.error, urllib.request

SLUICE, SECONDS, SEED = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
DELIVERY = sys.argv[4]
ONCE = {"exactly-once": True, "at-least-once": False}[DELIVERY]
KINDS = sys.argv[5].split(",") if len(sys.argv) > 5 else ["kill", "stop", "pause", "broker"] + ["freeze"] * ONCE
CONNECTORS, TASKS, SESSION = 10, 4, 6.0
FOLDER = tempfile.mkdtemp(prefix="sluice-chaos-")
RANDOM = random.Random(SEED)
BEGAN = time.time()


def say(*words):
    print(f"{time.time() - BEGAN:6.1f}", *words, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    def __init__(self, name, arguments):
        self.name, self.arguments, self.process, self.is_paused = name, arguments, None, False
        # How often it was started, and whether it has been told to end since.
        self.starts, self.is_ending = 0, False

    def start(self):
        log = open(f"{FOLDER}/{self.name}.log", "ab")
        environment = dict(os.environ, SLUICE_VERIFIABLE_CONNECTORS="1")
        self.starts += 1
        self.is_ending = False
        self.process = subprocess.Popen([SLUICE] + self.arguments, stdout=log, stderr=log, env=environment)

    def end(self, number):
        self.is_ending = True
        self.process.send_signal(number)
        self.process.wait()

    @property
    def is_up(self):
        return self.process is not None and self.process.poll() is None and not self.is_paused


class Worker(Process):
    def __init__(self, number, servers):
        self.port = free_port()
        path = f"{FOLDER}/worker{number}.properties"
        with open(path, "w") as file:
            file.write(f"""bootstrap.servers={servers}
group.id=chaos
config.storage.topic=chaos-configs
config.storage.replication.factor=1
offset.storage.topic=chaos-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=chaos-status
status.storage.replication.factor=1
status.storage.partitions=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
listeners=http://127.0.0.1:{self.port}
session.timeout.ms={int(SESSION * 1000)}
heartbeat.interval.ms=1000
rebalance.timeout.ms=20000
scheduled.rebalance.max.delay.ms=1000
exactly.once.source.support={"enabled" if ONCE else "disabled"}
""")
        super().__init__(f"worker{number}", ["connect-distributed", path])
        self.id = f"127.0.0.1:{self.port}"

    def call(self, method, path, body=None, timeout=90):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self.id}{path}", data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_healthy(self):
        try:
            return self.is_up and self.call("GET", "/health", timeout=5)[0] == 200
        except OSError:
            return False


def slack():
    """How much longer things may take on a machine that has more to do than its cores can."""
    return min(5, max(1, os.getloadavg()[0] / os.cpu_count()))


def wait(what, seconds, ask):
    began = time.time()
    while time.time() < began + seconds * slack():
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"FAILED: waited {time.time() - began:.0f} s in vain for {what}")


def config(number):
    """With transactions, some of each poll, some of a second, so few that a debug build on a busy machine keeps up; c0
    has a topic of its own for its offsets."""
    settings = {"connector.class": "VerifiableSource", "tasks.max": str(TASKS), "topic": f"numbers-{number}",
                "throughput": "20", "name": f"c{number}"}
    if number == 0:
        settings["offsets.storage.topic"] = "chaos-own-offsets"
    if ONCE and number % 2:
        settings.update({"transaction.boundary": "interval", "transaction.boundary.interval.ms": "1000"})
    elif ONCE:
        settings.update({"throughput": "1", "exactly.once.support": "required"})
    return settings


def all_running(workers, state="RUNNING", besides=()):
    """Whether every task is in a state on a worker that lives, by the account of each of them."""
    live = {worker.id for worker in workers if worker.is_up}
    for worker in workers:
        if not worker.is_up:
            continue
        try:
            status, answer = worker.call("GET", "/connectors?expand=status", timeout=10)
        except OSError:
            return False
        if status != 200 or len(answer) != CONNECTORS:
            return False
        for name, entry in answer.items():
            if name in besides:
                continue
            tasks = entry["status"]["tasks"]
            states = [entry["status"]["connector"]] + tasks
            if len(tasks) != TASKS or any(s["state"] != state or s["worker_id"] not in live for s in states):
                return False
    return True


def read(servers, topic, form):
    command = ["kcat", "-b", servers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", form,
               "-X", "isolation.level=read_committed"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if output.returncode:
        raise SystemExit(f"FAILED: kcat: {output.stderr}")
    return [line.split("\t") for line in output.stdout.splitlines()]


class Writer(threading.Thread):
    """Changes a connector of its own through any live worker, again and again."""

    def __init__(self, workers):
        super().__init__(daemon=True)
        self.workers, self.is_over, self.done, self.failures, self.longest = workers, False, 0, [], 0.0

    def run(self):
        choose = random.Random(SEED + 1)
        while not self.is_over:
            candidates = [w for w in self.workers if w.is_healthy()]
            if not candidates:
                time.sleep(0.2)
                continue
            worker = choose.choice(candidates)
            starts = worker.starts
            began = time.time()
            try:
                status, answer = worker.call(
                    "PUT", f"/connectors/c0/config", dict(config(0), **{"errors.retry.timeout": str(self.done)}))
            except OSError as error:
                # The worker itself was killed or stopped meanwhile: nobody could have answered.
                if worker.starts == starts and not worker.is_ending and not worker.is_paused:
                    self.failures.append(f"{time.time() - BEGAN:.1f} {worker.name}: {error}")
                continue
            self.longest = max(self.longest, time.time() - began)
            self.done += 1
            if status not in (200, 201):
                self.failures.append(f"{worker.name}: {status} {answer}")
            time.sleep(1)


def accident(workers, broker):
    kind = RANDOM.choice(KINDS)
    worker = RANDOM.choice(workers)
    say(kind, "broker" if kind == "broker" else worker.name)
    if kind == "kill":
        worker.end(signal.SIGKILL)
        time.sleep(RANDOM.uniform(0, 3))
        worker.start()
    elif kind == "stop":
        worker.end(signal.SIGTERM)
        time.sleep(RANDOM.uniform(0, 2))
        worker.start()
    elif kind in ["pause", "freeze"]:
        worker.is_paused = True
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(1 if kind == "pause" else SESSION + 3)
        worker.process.send_signal(signal.SIGCONT)
        worker.is_paused = False
    else:
        broker.end(RANDOM.choice([signal.SIGTERM, signal.SIGKILL]))
        time.sleep(RANDOM.uniform(0, 2))
        broker.start()
    time.sleep(RANDOM.uniform(0.5, 3))


def check_topics(servers):
    """What the topics hold, and the last number of each row."""
    total = repeated = 0
    last = {}
    for number in range(CONNECTORS):
        rows = collections.defaultdict(list)
        for key, value in read(servers, f"numbers-{number}", "%k\\t%s\\n"):
            rows[key].append(int(value))
        if len(rows) != TASKS:
            raise SystemExit(f"FAILED: numbers-{number} has rows of {sorted(rows)}")
        for key, values in rows.items():
            missing = set(range(max(values) + 1)) - set(values)
            if missing:
                raise SystemExit(f"FAILED: c{number} task {key} lost {sorted(missing)[:10]}")
            total += len(values)
            repeats = [value for value, count in collections.Counter(values).items() if count > 1]
            if ONCE and repeats:
                raise SystemExit(f"FAILED: c{number} task {key} has twice {sorted(repeats)[:10]}")
            repeated += len(values) - len(set(values))
            last[f'["c{number}",{{"id":{key}}}]'] = max(values)
            # The end was written in quiet: by one task.
            tail = values if ONCE else values[-40:]
            if tail != list(range(tail[0], tail[0] + len(tail))):
                raise SystemExit(f"FAILED: c{number} task {key} ends in {tail}: more than one wrote it")
    say(f"{total} records, {repeated} came twice")
    return last


def check_offsets(servers, topic, expected):
    last = {}
    for key, value in read(servers, topic, "%k\\t%s\\n"):
        position = json.loads(value)["seqno"]
        if position < last.get(key, -1):
            raise SystemExit(f"FAILED: the offset of {key} went from {last[key]} back to {position}")
        last[key] = position
    wrong = {key: (last.get(key), number) for key, number in expected.items() if last.get(key) != number}
    if wrong:
        raise SystemExit(f"FAILED: offset and last number differ in {topic}: {wrong}")


def run(processes):
    port = free_port()
    servers = f"127.0.0.1:{port}"
    broker = Process("broker", ["broker", "--port", str(port), "--data-dir", f"{FOLDER}/data"])
    processes.append(broker)
    broker.start()
    workers = [Worker(number, servers) for number in range(3)]
    for worker in workers:
        processes.append(worker)
        worker.start()
    wait("three workers", 60, lambda: all(worker.is_healthy() for worker in workers))
    say("three workers are up")
    for number in range(CONNECTORS):
        status, answer = workers[number % 3].call("PUT", f"/connectors/c{number}/config", config(number))
        if status != 201:
            raise SystemExit(f"FAILED: creating c{number}: {status} {answer}")
    wait("forty tasks", 60, lambda: all_running(workers))
    say("forty tasks run")
    writer = Writer(workers)
    writer.start()
    end = time.time() + SECONDS
    while time.time() < end:
        accident(workers, broker)
    began = time.time()
    # A session, a delay and a few rounds.
    # The tasks of c0 are replaced every second while the writer writes; they are looked at when it has ended.
    wait("every task on a live worker", SESSION + 40, lambda: all_running(workers, besides=["c0"]))
    say(f"every task is back after {time.time() - began:.1f} s")
    writer.is_over = True
    writer.join()
    say(f"{writer.done} writes, the longest took {writer.longest:.1f} s")
    if writer.failures:
        raise SystemExit(f"FAILED: writes: {writer.failures}")
    wait("every task on a live worker", SESSION + 40, lambda: all_running(workers))
    time.sleep(4)
    # Who reads to the end must find one.
    for number in range(CONNECTORS):
        workers[number % 3].call("PUT", f"/connectors/c{number}/pause")
    wait("forty tasks at rest", 30, lambda: all_running(workers, "PAUSED"))
    last = check_topics(servers)
    check_offsets(servers, "chaos-own-offsets", {key: last[key] for key in last if key.startswith('["c0"')})
    # The offsets of c0 are copied there, beside the transaction.
    check_offsets(servers, "chaos-offsets", {key: last[key] for key in last if not key.startswith('["c0"')})
    for worker in workers:
        worker.end(signal.SIGTERM)
        if worker.process.returncode:
            raise SystemExit(f"FAILED: {worker.name} ended with {worker.process.returncode}")


def main():
    # So that `finally` is reached.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(f"seed {SEED}, {SECONDS:.0f} s, {DELIVERY}, {', '.join(KINDS)}")
    processes = []
    is_good = False
    try:
        run(processes)
        is_good = True
        say("good")
    finally:
        for process in processes:
            if process.process and process.process.poll() is None:
                process.process.kill()
                process.process.wait()
        if is_good:
            shutil.rmtree(FOLDER, ignore_errors=True)
        else:
            say("logs are in", FOLDER)


main()
