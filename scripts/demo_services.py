#!/usr/bin/env python3
"""make demo-services: three instances of orders, each with its own database, one catalogs, and one database that a
sink connector fills for all of them. Orders are placed at all instances; one is killed on the way. In the end every
order is in the one database exactly once, and the stock is exact."""

import argparse
import os
import random
import shutil
import sys
import threading
import time

from services import Failure, MariaDB, SQLite, System, call, until

PRODUCTS = [(1, "Kettle", 29), (2, "Teapot", 35), (3, "Cup", 8), (4, "Tray", 19), (5, "Tin of tea", 12)]
STOCK = 10_000
IS_LIVE = sys.stdout.isatty()
BOLD, DIM, GREEN, RED, YELLOW, BLUE, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[33m", "\033[36m", "\033[0m") if IS_LIVE else ("",) * 7)


class Load:
    """Places orders at the instances in turn. Who gets no answer asks the next instance, under the same key."""

    def __init__(self, instances, total, rate):
        self.instances, self.total, self.rate = instances, total, rate
        self.lock, self.next, self.placed, self.repeated = threading.Lock(), 0, {}, 0
        self.accepted = {instance.name: 0 for instance in instances}
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while True:
            with self.lock:
                number = self.next
                self.next += 1
            if number >= self.total:
                return
            time.sleep(max(0.0, self.began + number / self.rate - time.monotonic()))
            self.place(number)

    def place(self, number):
        product, _, price = PRODUCTS[number % len(PRODUCTS)]
        body = {"productId": product, "qty": random.randint(1, 5), "unitPrice": price}
        user = number % 7 + 1
        for attempt in range(200):
            instance = self.instances[(number + attempt) % len(self.instances)]
            try:
                status, _, order = call(
                    "POST", f"{instance.url}/{user}/orders", body, {"Idempotency-Key": f"load-{number}"}, timeout=5)
            except OSError:
                status = None
            if status in (200, 201):
                with self.lock:
                    self.placed[order["id"]] = (product, body["qty"])
                    self.accepted[instance.name] += 1
                return
            with self.lock:
                self.repeated += 1
            time.sleep(0.05)
        raise Failure(f"order {number} could not be placed")

    @property
    def is_over(self):
        return not any(thread.is_alive() for thread in self.threads)


class Screen:
    """A table that is drawn over itself on a terminal, and printed now and then elsewhere."""

    def __init__(self):
        self.height, self.last = 0, 0.0
        self.notes = []

    def note(self, text):
        self.notes.append(text)
        if not IS_LIVE:
            print(text, flush=True)

    def draw(self, lines, force=False):
        if not IS_LIVE:
            if force or time.monotonic() - self.last > 2:
                self.last = time.monotonic()
                print("\n".join(lines), flush=True)
            return
        width = shutil.get_terminal_size().columns
        lines = lines + [""] + self.notes
        text = f"\033[{self.height}A" if self.height else ""
        text += "".join(f"\033[2K{clip(line, width)}\n" for line in lines)
        self.height = len(lines)
        sys.stdout.write(text)
        sys.stdout.flush()


def clip(line, width):
    """Cuts a line that would wrap; colours take no room."""
    shown, result, index = 0, "", 0
    while index < len(line):
        if line[index] == "\033":
            end = line.index("m", index) + 1
            result += line[index:end]
            index = end
            continue
        if shown < width - 1:
            result += line[index]
            shown += 1
        index += 1
    return result


def bar(share, width=24):
    filled = round(min(max(share, 0), 1) * width)
    return f"{BLUE}{'█' * filled}{DIM}{'░' * (width - filled)}{PLAIN}"


class Demo:
    def __init__(self, system, options):
        self.system, self.options, self.screen = system, options, Screen()
        self.health = {}

    def run(self):
        system = self.system
        print(f"{BOLD}Services in step{PLAIN}: three instances of orders, each with its own "
              f"{system.database.kind} database, and one database that all read.\n")
        system.make_topic("orders")
        self.catalogs = system.catalogs(CATALOGS_FORMAT="envelope").start()
        for product, name, price in PRODUCTS:
            system.put_product(self.catalogs, product, name, STOCK, price)
        self.instances = [system.orders(f"orders-{number}", ORDERS_PUBLISH="envelope") for number in (1, 2, 3)]
        for instance in self.instances:
            instance.start()
        system.make_sink()
        self.load = Load(self.instances, self.options.orders, self.options.rate)
        self.kill_one()
        self.wait("every order in the one database", lambda: self.stored() >= len(self.load.placed))
        self.wait("the stock", lambda: system.stock() == self.expected_stock())
        self.draw(force=True)
        self.verify()

    def kill_one(self):
        victim, total = self.instances[1], self.options.orders
        self.wait("a third of the orders", lambda: self.load.next >= total // 3)
        victim.kill()
        self.screen.note(f"{RED}✗ kill -9 orders-2{PLAIN} after {self.load.next} orders")
        self.wait("two thirds of the orders", lambda: self.load.next >= total * 2 // 3)
        victim.start(wait=False)
        self.wait("orders-2 to be back", lambda: os.path.exists(victim.ready_file) or not victim.is_running)
        victim.wait()
        self.screen.note(f"{GREEN}✓ orders-2 is back{PLAIN}, and sends what its outbox still had")
        self.wait("all orders", lambda: self.load.is_over)

    def wait(self, what, holds):
        deadline = time.monotonic() + 120
        while not holds():
            if time.monotonic() > deadline:
                raise Failure(f"not within 120 s: {what}")
            self.draw()
            time.sleep(0.1)

    def stored(self):
        return self.system.database.rows("all-orders", "select count(*) from orders")[0][0]

    def expected_stock(self):
        stock = {product: STOCK for product, _, _ in PRODUCTS}
        for product, qty in list(self.load.placed.values()):
            stock[product] -= qty
        return stock

    def backlog(self, instance):
        if not instance.is_running or not os.path.exists(instance.ready_file):
            return "-"
        try:
            _, _, report = call("GET", f"{instance.url}/health", timeout=2)
            return report["checks"]["outbox"].split()[1]
        except (OSError, KeyError, IndexError, TypeError):
            return "?"

    def draw(self, force=False):
        load, total = self.load, self.options.orders
        placed, stored, stock = len(load.placed), self.stored(), self.system.stock()
        sold = sum(STOCK - qty for qty in stock.values())
        wanted = sum(qty for _, qty in list(load.placed.values()))
        lines = [f"{BOLD}{'instance':<12}{'state':<10}{'accepted':>9}{'in outbox':>11}{PLAIN}"]
        for instance in self.instances:
            state = f"{GREEN}running{PLAIN}" if instance.is_running else f"{RED}killed{PLAIN} "
            lines.append(f"{instance.name:<12}{state}   {load.accepted[instance.name]:>9}{self.backlog(instance):>11}")
        lines += [
            "",
            f"{'placed':<18}{bar(placed / total)} {placed:>6} of {total}",
            f"{'in one database':<18}{bar(stored / total)} {stored:>6}",
            f"{'pieces ordered':<18}{'':<24} {wanted:>6}",
            f"{'taken from stock':<18}{bar(sold / max(wanted, 1))} {sold:>6}",
        ]
        self.screen.draw(lines, force)

    def verify(self):
        rows = self.system.database.rows("all-orders", "select id, product_id, qty from orders")
        placed = self.load.placed
        checks = [
            (f"{len(placed)} orders placed, {len(rows)} in the one database, {len({row[0] for row in rows})} different",
             len(rows) == len(placed) == len({row[0] for row in rows}) == self.options.orders),
            ("each of them as it was placed", {row[0]: (row[1], row[2]) for row in rows} == placed),
            ("the stock of each product is exact", self.system.stock() == self.expected_stock()),
            (f"{self.load.repeated} requests got no answer and were repeated elsewhere: none counted twice", True),
        ]
        print()
        for text, is_true in checks:
            print(f"{GREEN}✓{PLAIN} {text}" if is_true else f"{RED}✗ {text}{PLAIN}")
        print(f"\n{'product':<14}{'at first':>9}{'ordered':>9}{'left':>9}")
        stock = self.system.stock()
        for product, name, _ in PRODUCTS:
            ordered = sum(qty for other, qty in placed.values() if other == product)
            print(f"{name:<14}{STOCK:>9}{ordered:>9}{stock[product]:>9}")
        if not all(is_true for _, is_true in checks):
            raise Failure("the databases do not agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--rate", type=float, default=40, help="orders a second")
    parser.add_argument("--database", choices=["sqlite", "mariadb"], default="sqlite")
    options = parser.parse_args()
    try:
        with System({"sqlite": SQLite, "mariadb": MariaDB}[options.database]) as system:
            Demo(system, options).run()
    except Failure as failure:
        sys.exit(f"demo failed: {failure}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
