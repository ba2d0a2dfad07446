"""The Connect worker's own cost: records through a source and a sink that do nothing themselves, and connectors at rest.

The connectors are Kafka's VerifiableSource and VerifiableSink, which `sluice` has when SLUICE_VERIFIABLE_CONNECTORS is
set. Keys and values go through the JSON converter.
"""

import json
import os
import time
import urllib.request

from processes import Sluice, cpu_percent, cpu_seconds_fine, resident_mb
from table import print_table

SECONDS = 5
TRANSFORMS = {
    "transforms": "hoist,insert,mask",
    "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
    "transforms.hoist.field": "number",
    "transforms.insert.type": "org.apache.kafka.connect.transforms.InsertField$Value",
    "transforms.insert.static.field": "origin",
    "transforms.insert.static.value": "bench",
    "transforms.mask.type": "org.apache.kafka.connect.transforms.InsertHeader",
    "transforms.mask.header": "h",
    "transforms.mask.value.literal": "1",
}


def call(program, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{program.rest_port}{path}", data=data, method=method,
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until(ask, seconds=60):
    deadline = time.time() + seconds
    while time.time() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise SystemExit("bench: the worker did not get there")


def running(program, name):
    status = call(program, "GET", f"/connectors/{name}/status")
    return status["tasks"] and all(task["state"] == "RUNNING" for task in status["tasks"])


def position(program, name):
    """How many records have been stored as done."""
    offsets = call(program, "GET", f"/connectors/{name}/offsets")["offsets"]
    return sum(entry["offset"].get("seqno", entry["offset"].get("kafka_offset", 0)) for entry in offsets)


def rate(program, name):
    """Records a second, and CPU microseconds of the whole process for each."""
    pid = program.process.pid
    first, began, busy = position(program, name), time.perf_counter(), cpu_seconds_fine(pid)
    time.sleep(SECONDS)
    count, passed = position(program, name) - first, time.perf_counter() - began
    return count / passed, (cpu_seconds_fine(pid) - busy) / max(count, 1) * 1e6


def throughput(binary, transforms):
    with Sluice(binary, "up") as program:
        program.until_ready()
        source = {"connector.class": "VerifiableSource", "topic": "numbers", "tasks.max": "1"}
        call(program, "PUT", "/connectors/in/config", dict(source, **transforms))
        until(lambda: running(program, "in"))
        time.sleep(1)
        sourced = rate(program, "in")
        call(program, "PUT", "/connectors/in/stop")
        sink = {"connector.class": "VerifiableSink", "topics": "numbers", "tasks.max": "1"}
        call(program, "PUT", "/connectors/out/config", dict(sink, **transforms))
        until(lambda: running(program, "out") and position(program, "out") > 0)
        total, began, pid = position(program, "in"), time.perf_counter(), program.process.pid
        first, busy = position(program, "out"), cpu_seconds_fine(pid)
        while position(program, "out") < total and time.perf_counter() - began < SECONDS:
            time.sleep(0.02)
        passed, count = time.perf_counter() - began, position(program, "out") - first
        return sourced, (count / passed, (cpu_seconds_fine(pid) - busy) / max(count, 1) * 1e6)


def idle(binary, count):
    with Sluice(binary, "up") as program:
        program.until_ready()
        for number in range(count):
            call(program, "PUT", f"/connectors/c{number}/config", {
                "connector.class": "FileStreamSource", "tasks.max": "1", "topic": "none",
                "file": os.path.join(program.folder, f"file{number}")})
        for number in range(count):
            open(os.path.join(program.folder, f"file{number}"), "w").close()
            until(lambda: running(program, f"c{number}"))
        time.sleep(2)
        return resident_mb(program.process.pid), cpu_percent([program.process.pid], 5)[0]


def connect_tables(binary):
    os.environ["SLUICE_VERIFIABLE_CONNECTORS"] = "1"
    rows = []
    for name, transforms in [("JSON converter", {}), ("JSON converter, 3 transformations", TRANSFORMS)]:
        source, sink = throughput(binary, transforms)
        rows.append([name, f"{source[0]:,.0f}", f"{source[1]:.1f}", f"{sink[0]:,.0f}", f"{sink[1]:.1f}"])
    print_table(
        "The worker's own cost, broker in the same process, one task",
        ["", "source records/s", "CPU us each", "sink records/s", "CPU us each"], rows)
    rows = []
    for count in [0, 100]:
        memory, busy = idle(binary, count)
        rows.append([f"{count} connectors", f"{memory:.1f}", f"{busy:.1f}"])
    print_table("Connectors at rest (FileStreamSource)", ["", "MB", "CPU %"], rows)
