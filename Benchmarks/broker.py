"""The broker under load: the same clients against ours and the peer in turn, each run on a broker of its own.

MB/s and latencies include the client, which shares the machine; CPU seconds of the broker per GB of record values are the
figure to trust. load.c is the client (librdkafka), raw.c the one that costs next to nothing.
"""

import collections
import contextlib
import glob
import os
import resource
import shutil
import subprocess
import tempfile

from processes import Sluice, Tansu, cpu_seconds_fine, resident_mb
from table import print_table

HERE = os.path.dirname(os.path.abspath(__file__))
GB = 1e9

Run = collections.namedtuple("Run", "seconds bytes p50_ms p99_ms cpu")
Setting = collections.namedtuple("Setting", "size partitions acks codec")
Result = collections.namedtuple("Result", "produce consume resident_mb")

SETTINGS = [
    Setting(size, partitions, acks, codec)
    for size in (1000, 100) for partitions in (1, 6) for acks in ("all", "1") for codec in ("none", "lz4")
]


def librdkafka():
    """How to link: the library inside confluent-kafka, since Debian's is too old to understand the peer."""
    import confluent_kafka
    folder = os.path.join(os.path.dirname(os.path.dirname(confluent_kafka.__file__)), "confluent_kafka.libs")
    found = glob.glob(os.path.join(folder, "librdkafka*.so*"))
    return [found[0], f"-Wl,-rpath,{folder}"] if found else ["-lrdkafka"]


@contextlib.contextmanager
def clients():
    """The two C programs, compiled into a folder that goes away."""
    folder = tempfile.mkdtemp(prefix="sluice-bench-c-")
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        raise SystemExit("bench: no C compiler found")
    for name, libraries in [("load", librdkafka()), ("raw", [])]:
        source, program = os.path.join(HERE, f"{name}.c"), os.path.join(folder, name)
        subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", source, "-o", program, *libraries], check=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Load:
    """Clients against one running broker."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        self.address = f"127.0.0.1:{program.port}"

    def run(self, client, *arguments):
        before = cpu_seconds_fine(self.program.process.pid)
        command = [os.path.join(self.folder, client), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        if done.returncode:
            raise SystemExit(f"bench: {' '.join(command)}: {done.stderr}")
        seconds, size, *latency = map(float, done.stdout.split())
        p50, p99 = (value / 1000 for value in latency) if latency else (None, None)
        return Run(seconds, size, p50, p99, (cpu_seconds_fine(self.program.process.pid) - before) / size * GB)

    def produce(self, setting, count, rate=0):
        size, partitions, acks, codec = setting
        return self.run("load", "produce", self.address, "bench", size, count, partitions, acks, codec, rate)

    def consume(self, setting, count):
        return self.run("load", "consume", self.address, "bench", count, setting.partitions)

    def memory(self):
        return resident_mb(self.program.process.pid)


def subjects(sluice):
    ours = ("sluice", lambda: Sluice(sluice, "broker"))
    return [ours] + ([("Tansu", Tansu)] if Tansu.binary() else [])


def on_fresh_broker(folder, make, work):
    with make() as program:
        program.until_ready()
        return work(Load(folder, program))


def pair(folder, sluice, work):
    """The same work on ours and on the peer; the peer's result is None if there is no peer."""
    results = [on_fresh_broker(folder, make, work) for _, make in subjects(sluice)]
    return results if len(results) == 2 else [results[0], None]


def rate(run):
    return run.bytes / run.seconds / 1e6


def against(ours, peer, figure, digits):
    """Ours, the peer's, and the ratio of the two."""
    mine = figure(ours)
    if peer is None:
        return [f"{mine:.{digits}f}", "-", "-"]
    theirs = figure(peer)
    return [f"{mine:.{digits}f}", f"{theirs:.{digits}f}", f"{theirs / mine:.2g}x" if mine else "-"]


def load_table(folder, sluice, megabytes):
    """librdkafka, every combination: produce, then consume what was produced."""
    produced, consumed = [], []
    for setting in SETTINGS:
        # Small records cost the client ten times as much for the same bytes.
        count = int(megabytes * 1e6 / setting.size / (2 if setting.size < 1000 else 1))

        def work(load):
            produce = load.produce(setting, count)
            return Result(produce, load.consume(setting, count), load.memory())
        ours, peer = pair(folder, sluice, work)
        size = "1 KB" if setting.size == 1000 else f"{setting.size} B"
        name = f"{size}, {setting.partitions} p, acks={setting.acks}{', lz4' if setting.codec == 'lz4' else ''}"
        inverse = [f"{rate(ours.produce) / rate(peer.produce):.2g}x"] if peer else ["-"]
        produced.append([
            name, *against(ours, peer, lambda r: rate(r.produce), 0)[:2], *inverse,
            f"{rate(ours.produce) * 1000 / setting.size:.0f}",
            f"{ours.produce.p50_ms:.0f} / {ours.produce.p99_ms:.0f}",
            f"{peer.produce.p50_ms:.0f} / {peer.produce.p99_ms:.0f}" if peer else "-",
            *against(ours, peer, lambda r: r.produce.cpu, 2),
            *against(ours, peer, lambda r: r.resident_mb, 0)[:2],
        ])
        inverse = [f"{rate(ours.consume) / rate(peer.consume):.2g}x"] if peer else ["-"]
        consumed.append([
            name, *against(ours, peer, lambda r: rate(r.consume), 0)[:2], *inverse,
            f"{rate(ours.consume) * 1000 / setting.size:.0f}", *against(ours, peer, lambda r: r.consume.cpu, 2),
        ])
    print_table(
        f"Produce with librdkafka, 64 KB batches, linger 5 ms, {megabytes} MB (100 B: half of it)",
        ["", "MB/s", "peer", "faster", "k records/s", "p50/p99 ms", "peer", "CPU s/GB", "peer", "less",
         "MB after", "peer"], produced)
    print_table(
        "Consume the same with librdkafka",
        ["", "MB/s", "peer", "faster", "k records/s", "CPU s/GB", "peer", "less"], consumed)


def pace_table(folder, sluice):
    """Records that come one by one: the time from produce() to the acknowledgement."""
    rows = []
    for acks in ("all", "1"):
        setting = Setting(1000, 1, acks, "none")
        ours, peer = pair(folder, sluice, lambda load: load.produce(setting, 2000, rate=1000))
        rows.append([
            f"1 KB, acks={acks}", *against(ours, peer, lambda r: r.p50_ms, 2),
            *against(ours, peer, lambda r: r.p99_ms, 2)])
    print_table(
        "Acknowledgement at 1,000 records per second, linger 0 (the peer has no disk to wait for)",
        ["", "p50 ms", "peer", "ratio", "p99 ms", "peer", "ratio"], rows)


def disk_floor(folder, size, count):
    """What the system takes for the same writes and waits, from a C program that does nothing else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [os.path.join(folder, "raw"), "disk", os.path.join(folder, "floor"), str(size), str(count)],
        stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, size = map(float, done.stdout.split())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, size, None, None, cpu / size * GB)


def limit_table(folder, sluice, megabytes):
    """One connection of a client that only sends prepared bytes, or only counts."""
    rows = []
    kinds = [(1000, 64, "1", "produce 1 KB x 64, acks=1"), (1000, 64, "all", "produce 1 KB x 64, acks=all"),
             (1000, 1000, "all", "produce 1 KB x 1000, acks=all"), (100, 600, "all", "produce 100 B x 600, acks=all")]
    port = lambda load: load.program.port
    for size, batch, acks, name in kinds:
        count = int(megabytes * 1e6 / size / batch)

        def work(load):
            load.run("load", "produce", load.address, "bench", 10, 1, 1, "1", "none", 0)  # makes the topic
            return load.run("raw", "produce", port(load), "bench", size, batch, count, acks)
        ours, peer = pair(folder, sluice, work)
        rows.append([name, *against(ours, peer, rate, 0)[:2], *against(ours, peer, lambda r: r.cpu, 2),
                     "0.8" if size == 1000 and acks == "all" else "-"])

    def work(load):
        load.run("load", "produce", load.address, "bench", 10, 1, 1, "1", "none", 0)
        load.run("raw", "produce", port(load), "bench", 1000, 64, int(megabytes * 1e6 / 64000), "1")
        return [load.run("raw", "fetch", port(load), "bench", int(megabytes * 0.99e6)) for _ in range(3)]
    ours, peer = pair(folder, sluice, work)
    ours, peer = max(ours, key=rate), max(peer, key=rate) if peer else None
    rows.append(["fetch, reader counts, best of 3", *against(ours, peer, rate, 0)[:2],
                 *against(ours, peer, lambda r: r.cpu, 2), "0.2; 2000 MB/s"])
    for size in (64_000, 1_000_000):
        floor = disk_floor(folder, size, int(megabytes * 1e6 / size))
        rows.append([f"the disk alone: write {size // 1000} KB and fdatasync", f"{rate(floor):.0f}", "-",
                     f"{floor.cpu:.2f}", "-", "-", "-"])
    print_table(
        f"The broker's own limit, one connection, one partition, {megabytes} MB",
        ["", "MB/s", "peer", "CPU s/GB", "peer", "less", "goal"], rows)


def broker_tables(sluice, megabytes):
    with clients() as folder:
        limit_table(folder, sluice, 4 * megabytes)
        load_table(folder, sluice, megabytes)
        pace_table(folder, sluice)
