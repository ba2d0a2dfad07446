"""The example services as black boxes: real processes, HTTP, foreign Kafka client, and both databases."""

import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))

from confluent_kafka import Consumer, Producer  # noqa: E402
from openapi_spec_validator import validate  # noqa: E402

from services import Failure, MariaDB, SQLite, System, call, until  # noqa: E402


def read(system, topic, count, seconds=30):
    """The first records of a topic, by librdkafka."""
    consumer = Consumer({
        "bootstrap.servers": system.bootstrap, "group.id": f"reader-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    records, deadline = [], time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        record = consumer.poll(0.2)
        if record is not None and not record.error():
            records.append(record)
    consumer.close()
    return records


def headers(record):
    return {name: value for name, value in record.headers() or []}


def order(product=1, qty=2, price=10):
    return {"productId": product, "qty": qty, "unitPrice": price}


class Events:
    """The tutorial's first way: orders tells catalogs by an event."""

    database = None

    @classmethod
    def setUpClass(cls):
        cls.system = System(cls.database)
        cls.system.__enter__()
        try:
            cls.system.make_topic("example-catalog-topic")
            cls.catalogs = cls.system.catalogs().start()
            cls.orders = cls.system.orders().start()
        except BaseException:
            cls.system.__exit__()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.system.__exit__()

    def place(self, body, user=7, **names):
        return call("POST", f"{self.orders.url}/{user}/orders", body, names)

    def wait_for_stock(self, product, qty):
        def stock():
            return call("GET", f"{self.catalogs.url}/catalogs/{product}")[2]["qty"]

        until(f"{qty} of product {product}", lambda: stock() == qty, 30, self.catalogs.log)

    def test_an_order_is_stored_published_and_lowers_the_stock(self):
        self.system.put_product(self.catalogs, 1, "Kettle", 100, 29)
        status, names, placed = self.place(order(1, 3, 29))
        self.assertEqual(status, 201)
        self.assertEqual(names["Location"], f"/orders/{placed['id']}")
        self.assertEqual({k: placed[k] for k in ("userId", "productId", "qty", "unitPrice", "totalPrice")},
                         {"userId": 7, "productId": 1, "qty": 3, "unitPrice": 29, "totalPrice": 87})
        self.wait_for_stock(1, 97)
        self.assertEqual(call("GET", f"{self.orders.url}/orders/{placed['id']}")[2], placed)
        self.assertIn(placed, call("GET", f"{self.orders.url}/7/orders")[2])
        self.assertEqual(
            self.system.database.rows("orders", f"select total_price from orders where id = '{placed['id']}'"),
            [(87,)])
        event = next(r for r in read(self.system, "example-catalog-topic", 1) if r.key() == b"1")
        self.assertEqual(json.loads(event.value()), placed)
        self.assertEqual(headers(event)["message-id"].decode(), placed["id"])
        self.assertRegex(headers(event)["traceparent"].decode(), "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")

    def test_the_same_order_twice_counts_once(self):
        self.system.put_product(self.catalogs, 2, "Teapot", 50, 35)
        names = {"Idempotency-Key": "twice"}
        first = call("POST", f"{self.orders.url}/7/orders", order(2, 4, 35), names)
        again = call("POST", f"{self.orders.url}/7/orders", order(2, 4, 35), names)
        self.assertEqual((first[0], again[0]), (201, 200))
        self.assertEqual(first[2], again[2])
        other = call("POST", f"{self.orders.url}/7/orders", order(2, 5, 35), names)
        self.assertEqual((other[0], other[2]["status"]), (409, 409))
        self.wait_for_stock(2, 46)
        # The event itself once more, as a producer of a careless peer would send it.
        producer = Producer({"bootstrap.servers": self.system.bootstrap})
        producer.produce("example-catalog-topic", json.dumps(first[2]), key="2")
        producer.flush()
        self.place(order(2, 1, 35))
        self.wait_for_stock(2, 45)

    def test_what_is_wrong_is_told_as_problem_json(self):
        for body, field in [
            ({"qty": 1, "unitPrice": 1}, "productId"), (order(qty=0), "qty"), (order(price=-1), "unitPrice"),
            (order(qty="many"), "qty"), (order(qty=1.5), "qty"), (order(product=0), "productId"),
        ]:
            status, names, problem = self.place(body)
            self.assertEqual((status, names["Content-Type"]), (422, "application/problem+json"), body)
            self.assertEqual([error["field"] for error in problem["errors"]], [field])
        for body, expected in [(b"{", 400), (b"", 400), (b"x" * 100_000, 413)]:
            self.assertEqual(self.place(body)[0], expected)
        self.assertEqual(self.place(order(), user="nobody")[0], 404)
        self.assertEqual(call("GET", f"{self.orders.url}/orders/none")[2]["title"], "Not Found")
        self.assertEqual(call("GET", f"{self.catalogs.url}/catalogs/999")[0], 404)
        self.assertEqual(self.place(order(), **{"Idempotency-Key": "a b"})[0], 400)

    def test_unknown_products_and_poison_go_to_the_dead_letters(self):
        self.system.put_product(self.catalogs, 3, "Cup", 10, 8)
        producer = Producer({"bootstrap.servers": self.system.bootstrap})
        producer.produce("example-catalog-topic", b"\x00not json", key="3")
        producer.flush()
        _, _, unknown = self.place(order(4242, 1, 1))
        self.place(order(3, 1, 8))
        self.wait_for_stock(3, 9)
        dead = read(self.system, "example-catalog-topic-catalogs-dlt", 2)
        reasons = {r.value(): headers(r)["kafka_dlt-exception-message"].decode() for r in dead}
        self.assertIn("no JSON of OrderEvent", reasons[b"\x00not json"])
        wanted = next(value for value in reasons if unknown["id"].encode() in value)
        self.assertEqual(reasons[wanted], "product 4242 is not in the catalog")

    def test_health_and_open_api(self):
        for service in (self.orders, self.catalogs):
            status, _, report = call("GET", f"{service.url}/health")
            self.assertEqual((status, report["status"], report["checks"]["database"]), (200, "UP", "UP"))
            document = call("GET", f"{service.url}/openapi.json")[2]
            validate(document)
            for path, operations in document["paths"].items():
                for parameter in ("userId", "productId"):
                    path = path.replace("{" + parameter + "}", "1")
                if "get" in operations and "{" not in path:
                    self.assertIn(call("GET", service.url + path)[0], (200, 404), path)

    def test_logs_are_lines_of_json(self):
        self.place(order())
        with open(self.orders.log) as log:
            lines = [json.loads(line) for line in log]
        requests = [line for line in lines if line["message"] == "request" and line["method"] == "POST"]
        self.assertTrue(requests)
        self.assertRegex(requests[-1]["trace"], "^[0-9a-f]{32}$")
        with open(self.orders.log) as log:
            self.assertNotIn(MariaDB.password, log.read())


class EventsOnSQLite(Events, unittest.TestCase):
    database = SQLite


class EventsOnMariaDB(Events, unittest.TestCase):
    database = MariaDB


class Envelopes:
    """The tutorial's cure for many instances: a sink connector fills one database."""

    database = None

    def test_three_instances_agree_although_one_is_killed(self):
        with System(self.database) as system:
            system.make_topic("orders")
            catalogs = system.catalogs(CATALOGS_FORMAT="envelope").start()
            for product in range(1, 4):
                system.put_product(catalogs, product, f"Product {product}", 1000, 5)
            instances = [system.orders(f"orders-{n}", ORDERS_PUBLISH="envelope").start() for n in (1, 2, 3)]
            system.make_sink()
            placed, lock = {}, threading.Lock()

            def place(first, last):
                for number in range(first, last):
                    for attempt in range(100):
                        try:
                            status, _, answer = call(
                                "POST", f"{instances[(number + attempt) % 3].url}/1/orders",
                                order(number % 3 + 1, number % 4 + 1, 5), {"Idempotency-Key": f"n{number}"}, timeout=5)
                        except OSError:
                            status = None
                        if status in (200, 201):
                            with lock:
                                placed[answer["id"]] = (number % 3 + 1, number % 4 + 1)
                            break
                        time.sleep(0.05)

            workers = [threading.Thread(target=place, args=(n * 20, n * 20 + 20)) for n in range(3)]
            for worker in workers:
                worker.start()
            until("some orders", lambda: len(placed) >= 15)
            instances[0].kill()
            until("more orders", lambda: len(placed) >= 35)
            instances[0].start()
            for worker in workers:
                worker.join()
            self.assertEqual(len(placed), 60)

            def rows():
                return system.database.rows("all-orders", "select id, product_id, qty from orders")

            until("60 orders in the one database", lambda: len(rows()) >= 60, log=system.broker.log)
            self.assertEqual({row[0]: (row[1], row[2]) for row in rows()}, placed)
            expected = {p: 1000 - sum(q for other, q in placed.values() if other == p) for p in (1, 2, 3)}
            until("exact stock", lambda: system.stock() == expected, log=catalogs.log)
            # Every instance reads what all of them took.
            lists = [{o["id"] for o in call("GET", f"{i.url}/1/orders")[2]} for i in instances]
            self.assertEqual(lists, [set(placed)] * 3)
            self.assertEqual([program.stop() for program in [catalogs, *instances]], [0] * 4)


class EnvelopesOnSQLite(Envelopes, unittest.TestCase):
    database = SQLite


class EnvelopesOnMariaDB(Envelopes, unittest.TestCase):
    database = MariaDB


class Starts(unittest.TestCase):
    def test_a_wrong_topic_is_told_at_the_start(self):
        with System() as system:
            system.make_topic("example-catalog-topic")
            orders = system.orders(ORDERS_EVENT_TOPIC="example-category-topic")
            with self.assertRaisesRegex(Failure, "did you mean 'example-catalog-topic'"):
                orders.start()
            for name, value in [("ORDERS_PUBLISH", "mail"), ("PORT", "http"), ("DATABASE_URL", "jdbc:oracle:x")]:
                with self.assertRaisesRegex(Failure, f"error: .*{value}"):
                    system.orders(f"orders-{name}", **{name: value}).start()

    def test_orders_are_taken_while_kafka_is_away(self):
        with System() as system:
            system.make_topic("example-catalog-topic")
            orders, catalogs = system.orders().start(), system.catalogs().start()
            system.put_product(catalogs, 1, "Kettle", 10, 1)
            system.broker.kill()
            self.assertEqual(call("POST", f"{orders.url}/1/orders", order(1, 4, 1))[0], 201)
            self.assertEqual(call("GET", f"{orders.url}/health")[0], 200)
            orders.kill()
            system.start_broker()
            orders.start()
            until("the stock", lambda: system.stock() == {1: 6}, log=catalogs.log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
