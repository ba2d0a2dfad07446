"""What many of a thing cost the broker: idle connections, groups with a member, partitions; and a start with much data.

Speaks the protocol by hand, so that the client costs next to nothing. Memory is resident memory with shared libraries; CPU is
percent of one core over the time that the broker is watched.
"""

import contextlib
import os
import resource
import shutil
import socket
import struct
import tempfile
import time

from processes import API_VERSIONS, Sluice, cpu_percent, resident_mb
from table import print_table


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def call(connection, key, version, body):
    """One request, one answer."""
    request = struct.pack(">hhi", key, version, 1) + text("scale") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    return receive(connection)


def receive(connection):
    def exactly(count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise SystemExit("bench: the broker closed a connection")
            data += part
        return data
    return exactly(struct.unpack(">i", exactly(4))[0])


def create_topic(connection, name, partitions):
    """CreateTopics v2."""
    body = struct.pack(">i", 1) + text(name) + struct.pack(">ihii", partitions, 1, 0, 0) + struct.pack(">i?", 60_000, False)
    call(connection, 19, 2, body)


def join_group(connection, group):
    """JoinGroup v2 and SyncGroup v1 with sessions of half an hour, and one OffsetCommit v2."""
    protocol = struct.pack(">i", 1) + text("range") + struct.pack(">i", 4) + b"\0\1\0\0"
    answer = call(
        connection, 11, 2, text(group) + struct.pack(">ii", 1_800_000, 60_000) + text("") + text("consumer") + protocol)
    error, generation = struct.unpack(">hi", answer[8:14])
    if error:
        raise SystemExit(f"bench: JoinGroup was refused with {error}")
    rest = answer[14:]
    for _ in range(2):
        rest = rest[2 + struct.unpack(">h", rest[:2])[0]:]
    member = rest[2:2 + struct.unpack(">h", rest[:2])[0]].decode()
    place = text(group) + struct.pack(">i", generation) + text(member)
    call(connection, 14, 1, place + struct.pack(">i", 1) + text(member) + struct.pack(">i", 4) + b"\0\1\0\0")
    offset = struct.pack(">i", 1) + text("scale-0") + struct.pack(">iiq", 1, 0, 7) + text("")
    call(connection, 8, 2, place + struct.pack(">q", -1) + offset)


def scale_table(sluice, seconds, connections=10_000, groups=1_000, partitions=5_000):
    """Adds one kind after the other and says what each unit has cost."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(connections, hard - 2_000)
    rows = []
    with Sluice(sluice, "broker") as program, contextlib.ExitStack() as stack:
        program.until_ready()
        pid = program.process.pid

        def connect():
            return stack.enter_context(socket.create_connection(("127.0.0.1", program.port)))

        def step(name, count, work):
            before, began = resident_mb(pid), time.perf_counter()
            work()
            took = time.perf_counter() - began
            busy = cpu_percent([pid], seconds)[0]
            after = resident_mb(pid)
            rows.append([
                f"{count:,} {name}", f"{took:.1f}", f"{after:.1f}", f"{(after - before) * 1024 / count:.2f}",
                f"{busy:.2f}", f"{resident_mb(pid) - after:+.1f}"])

        first = connect()
        rows.append(["idle", "-", f"{resident_mb(pid):.1f}", "-", f"{cpu_percent([pid], seconds)[0]:.2f}", "-"])
        topics = partitions // 100
        step("partitions", topics * 100, lambda: [create_topic(first, f"scale-{n}", 100) for n in range(topics)])
        open_ones = []

        def fill():
            for _ in range(connections):
                open_ones.append(connect())
                open_ones[-1].sendall(API_VERSIONS)
            for connection in open_ones:
                receive(connection)
        step("connections", connections, fill)
        step("groups with a member", groups, lambda: [
            join_group(open_ones[n], f"group-{n}") for n in range(min(groups, connections))])
    print_table(
        f"Many of a thing, watched for {seconds} s each",
        ["", "seconds to make", "MB", "KB each", "CPU %", "MB later"], rows)


def restart_table(sluice, gigabytes, partitions=1_000):
    """The start with many partitions and much data, after a stop in order and after kill -9."""
    from confluent_kafka import Producer
    folder = tempfile.mkdtemp(prefix="sluice-bench-restart-")
    rows = []
    try:
        def start():
            program = Sluice(sluice, "broker")
            program.folder = folder
            return program.start()

        program = start()
        program.until_ready()
        with socket.create_connection(("127.0.0.1", program.port)) as first:
            for n in range(partitions // 100):
                create_topic(first, f"scale-{n}", 100)
        producer = Producer({
            "bootstrap.servers": f"127.0.0.1:{program.port}", "acks": 1, "linger.ms": 50, "batch.size": 1_000_000,
            "queue.buffering.max.kbytes": 200_000, "queue.buffering.max.messages": 1_000_000})
        value = os.urandom(64_000)
        for n in range(int(gigabytes * 1e9 / len(value))):
            while True:
                try:
                    producer.produce(f"scale-{n % (partitions // 100)}", value, partition=n // (partitions // 100) % 100)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush(120)
        del producer
        for name, ending in [("stop in order", program.process.terminate), ("kill -9", None)]:
            began = time.perf_counter()
            (ending or program.process.kill)()
            program.process.wait(120)
            stopped = time.perf_counter() - began
            program = start()
            ready = program.until_ready().broker_ms
            rows.append([
                f"after {name}", f"{stopped:.1f}", f"{ready:.0f}", f"{resident_mb(program.process.pid):.1f}"])
        program.process.kill()
        program.process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_table(
        f"Start with {partitions:,} partitions that hold {gigabytes} GB", ["", "s to stop", "ApiVersions ms", "MB"], rows)


def scale_tables(sluice, seconds, gigabytes):
    scale_table(sluice, seconds)
    restart_table(sluice, gigabytes)
