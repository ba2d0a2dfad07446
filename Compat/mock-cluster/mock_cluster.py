#!/usr/bin/env python3
"""librdkafka's mock cluster as a child process, driven over stdin.

    mock_cluster.py [brokers]

Prints `bootstrap <servers>`, then answers each command line with one line: `ok …` or `error …`. Ends with its stdin.
The mock cluster is reached through librdkafka's C interface (rdkafka_mock.h), which can do what `test.mock.num.brokers`
can't: create topics, push errors, move leaders and coordinators, stop brokers.
"""
import ctypes
import ctypes.util
import glob
import json
import os
import sys


def load():
    """The librdkafka that confluent-kafka carries, or the system's."""
    candidates = []
    try:
        import confluent_kafka

        folder = os.path.dirname(confluent_kafka.__file__)
        candidates += glob.glob(os.path.join(folder, "..", "confluent_kafka.libs", "librdkafka-*.so*"))
    except ImportError:
        pass
    candidates += [ctypes.util.find_library("rdkafka") or "librdkafka.so.1"]
    for path in candidates:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    sys.exit("error no librdkafka: pip install confluent-kafka, or apt-get install librdkafka1")


def declare(library):
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in [
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_partition_set_leader", number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_down", number, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_up", number, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_rtt", number, [pointer, ctypes.c_int32, number]),
        ("rd_kafka_mock_coordinator_set", number, [pointer, text, text, ctypes.c_int32]),
        ("rd_kafka_mock_set_apiversion", number, [pointer, ctypes.c_int16, ctypes.c_int16, ctypes.c_int16]),
        ("rd_kafka_mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, pointer]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
    ]:
        function = getattr(library, name, None)
        if function is not None:
            function.restype, function.argtypes = result, arguments


def foreign_produce(bootstrap, topic, values, options):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, **options})
    for value in values:
        producer.produce(topic, value=value["value"], key=value.get("key"), partition=value.get("partition", -1))
    left = producer.flush(20)
    return f"error {left} records not delivered" if left else "ok"


def foreign_consume(bootstrap, topic, count, options):
    from confluent_kafka import Consumer

    base = {"bootstrap.servers": bootstrap, "group.id": "foreign-reader", "auto.offset.reset": "earliest"}
    consumer = Consumer({**base, **options})
    consumer.subscribe([topic])
    rows, idle = [], 0
    while len(rows) < count and idle < 200:
        message = consumer.poll(0.1)
        if message is None or message.error():
            idle += 1
            continue
        rows.append(
            {
                "partition": message.partition(),
                "offset": message.offset(),
                "key": None if message.key() is None else message.key().decode(),
                "value": None if message.value() is None else message.value().decode(),
                "headers": [[name, value.decode()] for name, value in message.headers() or []],
            }
        )
    consumer.close()
    return "ok " + json.dumps(rows)


class ForeignMember:
    """A confluent-kafka consumer that goes on in its own thread, as a member of a group beside ours."""

    def __init__(self, bootstrap, topic, options):
        import threading

        from confluent_kafka import Consumer

        self.rows, self.running = [], True
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "auto.offset.reset": "earliest", **options})
        self.consumer.subscribe([topic])
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.running:
            message = self.consumer.poll(0.05)
            if message is not None and not message.error():
                self.rows.append(message.value().decode())

    def stop(self):
        self.running = False
        self.thread.join()
        self.consumer.close()
        return self.rows


def main():
    library = load()
    declare(library)
    error = ctypes.create_string_buffer(512)
    configuration = library.rd_kafka_conf_new()
    if os.environ.get("MOCK_DEBUG"):
        library.rd_kafka_conf_set(configuration, b"debug", os.environ["MOCK_DEBUG"].encode(), error, 512)
    handle = library.rd_kafka_new(0, configuration, error, 512)
    if not handle:
        sys.exit("error " + error.value.decode())
    brokers = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    cluster = library.rd_kafka_mock_cluster_new(handle, brokers)
    bootstrap = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    # The mock offers flexible versions of the group requests, which librdkafka never sends and the mock can't read
    # (it takes JoinGroup 6's compact array for an int32 count). So: no more than librdkafka speaks itself.
    for key, highest in [(11, 5), (12, 3), (13, 1), (14, 3)]:
        library.rd_kafka_mock_set_apiversion(cluster, key, 0, highest)
    if hasattr(library, "rd_kafka_mock_group_initial_rebalance_delay_ms"):
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 100)  # 3 s otherwise
    print("bootstrap", bootstrap, flush=True)
    members = {}

    def run(words):
        name, rest = words[0], words[1:]
        if name == "topic":
            return library.rd_kafka_mock_topic_create(cluster, rest[0].encode(), int(rest[1]), int(rest[2]))
        if name == "leader":
            return library.rd_kafka_mock_partition_set_leader(cluster, rest[0].encode(), int(rest[1]), int(rest[2]))
        if name == "coordinator":
            return library.rd_kafka_mock_coordinator_set(cluster, b"group", rest[0].encode(), int(rest[1]))
        if name == "transaction-coordinator":
            kind, key = b"transaction", rest[0].encode()
            return library.rd_kafka_mock_coordinator_set(cluster, kind, key, int(rest[1]))
        if name == "down":
            return library.rd_kafka_mock_broker_set_down(cluster, int(rest[0]))
        if name == "up":
            return library.rd_kafka_mock_broker_set_up(cluster, int(rest[0]))
        if name == "rtt":
            return library.rd_kafka_mock_broker_set_rtt(cluster, int(rest[0]), int(rest[1]))
        if name == "versions":
            return library.rd_kafka_mock_set_apiversion(cluster, int(rest[0]), int(rest[1]), int(rest[2]))
        if name == "errors":
            codes = (ctypes.c_int * (len(rest) - 1))(*[int(code) for code in rest[1:]])
            return library.rd_kafka_mock_push_request_errors_array(cluster, int(rest[0]), len(codes), codes)
        if name == "produce":
            job = json.loads(" ".join(rest))
            return foreign_produce(bootstrap, job["topic"], job["values"], job.get("options", {}))
        if name == "consume":
            job = json.loads(" ".join(rest))
            return foreign_consume(bootstrap, job["topic"], job["count"], job.get("options", {}))
        if name == "member":
            job = json.loads(" ".join(rest))
            members[job["name"]] = ForeignMember(bootstrap, job["topic"], job["options"])
            return "ok"
        if name == "stop-member":
            return "ok " + json.dumps(members.pop(rest[0]).stop())
        return f"error unknown command {name}"

    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        try:
            answer = run(words)
        except Exception as problem:  # the test on the other side must learn of it
            answer = f"error {problem!r}"
        if not isinstance(answer, str):
            answer = "ok" if not answer else f"error code {answer}"
        print(answer.replace("\n", " "), flush=True)
    for member in members.values():
        member.stop()
    os._exit(0)  # destroying the cluster may wait for its connections


main()
