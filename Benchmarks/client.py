"""Our producer and consumer against librdkafka's, on our broker, in turn: each run on a broker of its own.

Both share the machine with the broker: CPU seconds of the client per GB of record values are the figure to trust. load.c
is librdkafka; ours are the program's own producer-perf-test and consumer-perf-test. Same batches, linger and codec, and
both producers idempotent. An idempotent producer has five requests in flight, so that its MB/s are the broker's disk's.
"""

import collections
import os
import subprocess

from broker import GB, clients
from processes import Sluice
from table import percentile, print_table

Run = collections.namedtuple("Run", "rate cpu p99_ms")
PARTITIONS = 6


def finish(command, bytes_sent):
    """The program's output, and its CPU seconds per GB."""
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LOAD_IDEMPOTENT": "1"})
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: {errors}")
    return output, (usage.ru_utime + usage.ru_stime) / bytes_sent * GB


class Ours:
    name = "sluice"

    def __init__(self, sluice, folder, port):
        self.sluice, self.address = sluice, f"localhost:{port}"
        self.topic = ["--bootstrap-server", self.address, "--topic", "bench"]

    def create(self):
        command = [self.sluice, "topics", "--bootstrap-server", self.address, "--create", "--topic", "bench",
                   "--partitions", str(PARTITIONS)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def produce(self, size, count, codec, rate=0):
        self.create()
        output, cpu = finish(
            [self.sluice, "producer-perf-test", *self.topic, "--num-records", count, "--record-size", size,
             "--throughput", rate or -1, "--producer-props", "acks=all", f"linger.ms={0 if rate else 5}",
             "batch.size=65536", f"compression.type={codec}"], size * count)
        last = output.strip().splitlines()[-1].split(",")
        p99 = next(float(part.split()[0]) for part in last if part.endswith(" 99th"))
        return Run(float(last[1].split()[0]) * size / 1e6, cpu, p99)

    def consume(self, size, count):
        output, cpu = finish(
            [self.sluice, "consumer-perf-test", *self.topic, "--messages", count, "--hide-header"], size * count)
        return Run(float(output.strip().split(", ")[9]) * size / 1e6, cpu, None)


class Librdkafka:
    name = "librdkafka"

    def __init__(self, sluice, folder, port):
        self.program, self.address = os.path.join(folder, "load"), f"127.0.0.1:{port}"

    def produce(self, size, count, codec, rate=0):
        output, cpu = finish(
            [self.program, "produce", self.address, "bench", size, count, PARTITIONS, "all", codec, rate],
            size * count)
        seconds, sent, _, p99 = map(float, output.split())
        return Run(sent / seconds / 1e6, cpu, p99 / 1000)

    def consume(self, size, count):
        output, cpu = finish([self.program, "consume", self.address, "bench", count, PARTITIONS], size * count)
        seconds, read = map(float, output.split())
        return Run(read / seconds / 1e6, cpu, None)


def middle(runs):
    """The run of median CPU."""
    return sorted(runs, key=lambda run: run.cpu)[len(runs) // 2]


def client_tables(sluice, megabytes, repeats=3):
    with clients() as folder:
        rows = []
        for size in (1000, 100):
            for codec in ("none", "lz4"):
                count = int(megabytes * 1e6 / size / (2 if size < 1000 else 1))
                results = {}
                for kind in (Ours, Librdkafka):
                    produced, consumed = [], []
                    for _ in range(repeats):
                        with Sluice(sluice, "broker") as broker:
                            broker.until_ready()
                            client = kind(sluice, folder, broker.port)
                            produced.append(client.produce(size, count, codec))
                            consumed.append(client.consume(size, count))
                    results[kind.name] = middle(produced), middle(consumed)
                ours, theirs = results["sluice"], results["librdkafka"]
                label = ("1 KB" if size == 1000 else "100 B") + (", lz4" if codec == "lz4" else "")
                for i, verb in enumerate(["produce", "consume"]):
                    a, b = ours[i], theirs[i]
                    rows.append([
                        f"{verb} {label}", f"{a.rate:.0f}", f"{b.rate:.0f}", f"{a.rate / b.rate:.2f}x",
                        f"{a.rate * 1000 / size:.0f}", f"{a.cpu:.2f}", f"{b.cpu:.2f}", f"{a.cpu / b.cpu:.2f}x"])
        print_table(
            f"Client: ours and librdkafka on our broker, {PARTITIONS} partitions, acks=all, {megabytes} MB "
            f"(100 B: half of it), median of {repeats}",
            ["", "MB/s", "librdkafka", "ratio", "k records/s", "CPU s/GB", "librdkafka", "ratio"], rows)
        rows = []
        for kind in (Ours, Librdkafka):
            p99 = []
            for _ in range(repeats):
                with Sluice(sluice, "broker") as broker:
                    broker.until_ready()
                    p99.append(kind(sluice, folder, broker.port).produce(1000, 2000, "none", rate=1000).p99_ms)
            rows.append([kind.name, f"{percentile(p99, 50):.2f}"])
        print_table("Acknowledgement at 1,000 records of 1 KB per second, linger 0", ["", "p99 ms"], rows)
