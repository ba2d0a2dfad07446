#!/usr/bin/env python3
"""make bench: start times, idle memory, and the way of one row, each with its goal and the peers' figures.

docs/benchmarks.md says what is measured and records results. Every figure comes from this run, on this machine,
except those marked "recorded", which are Java's, measured once on a machine of this kind.
"""

import argparse
import os
import platform
import time

from broker import broker_tables
from client import client_tables
from connect import connect_tables
from latency import mariadb, measure_latency, postgresql, sqlite
from processes import Sluice, Tansu, idle_figures, measure_start
from scale import scale_tables
from services import services_tables
from sql import sql_table
from table import percentile, print_table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def start_table(sluice, runs):
    """Exec to answered ApiVersions, exec to answered REST, and what the idle process costs."""
    rows = []
    subjects = [
        ("sluice broker", lambda: Sluice(sluice, "broker"), "20 ms, 20 MB"),
        ("sluice up", lambda: Sluice(sluice, "up"), "60 ms, 30 MB"),
    ]
    if Tansu.binary():
        subjects.append(("Tansu 0.6, in memory", Tansu, "peer"))
    base = None
    for name, make, goal in subjects:
        starts = [measure_start(make) for _ in range(runs)]
        broker = percentile([s.broker_ms for s in starts], 50)
        rests = [s.rest_ms for s in starts if s.rest_ms is not None]
        idle = idle_figures(make)
        base = base or broker
        rows.append([
            name, f"{broker:.1f}", f"{percentile([s.broker_ms for s in starts], 90):.1f}",
            f"{percentile(rests, 50):.1f}" if rests else "-", f"{idle.resident_mb:.1f}",
            f"{idle.cpu_percent:.1f}", f"{broker / base:.1f}x", goal,
        ])
    rows.append(["Apache Kafka, recorded", "2900", "-", "-", "368", "3.0", f"{2900 / base:.0f}x", "peer"])
    rows.append(["Java Connect, recorded", "-", "-", "4600-18600", "220-520", "-", "-", "peer"])
    print_table(
        f"Start, median of {runs}, and idle cost",
        ["", "ApiVersions ms", "p90", "REST ms", "idle MB", "CPU %", "ratio", "goal"], rows)


def latency_table(sluice, rows_sent):
    """Commit in the source table to the row in the target table."""
    rows = []
    for name, database in [("SQLite", sqlite), ("MariaDB", mariadb), ("PostgreSQL", postgresql)]:
        result = measure_latency(sluice, database, rows_sent)
        p50 = percentile(result.milliseconds, 50)
        rows.append([
            name, f"{p50:.1f}", f"{percentile(result.milliseconds, 99):.1f}", f"{result.idle_cpu_percent:.1f}",
            f"{result.database_cpu_percent:.1f}" if result.database_cpu_percent is not None else "-",
            f"{result.resident_mb:.1f}", f"{4820 / p50:.0f}x", "10 ms, 2 %",
        ])
    rows.append(["JDBC connectors, defaults, recorded", "4820", "-", "-", "-", "-", "1x", "peer"])
    rows.append(["JDBC connectors, linger 0, recorded", "58", "-", "96", "-", "-", f"{4820 / 58:.0f}x", "peer"])
    print_table(
        f"One row, commit to target table, {rows_sent} rows",
        ["", "p50 ms", "p99 ms", "idle CPU %", "database CPU %", "MB", "faster", "goal"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sluice", default=os.path.join(ROOT, ".build/release/sluice"))
    parser.add_argument("--runs", type=int, default=15, help="starts per program")
    parser.add_argument("--rows", type=int, default=300, help="rows sent one by one")
    parser.add_argument("--probe", default=os.path.join(ROOT, ".build/release/ServiceProbe"))
    parser.add_argument("--records", type=int, default=200_000, help="records that the listeners read")
    parser.add_argument("--table-rows", type=int, default=1_000_000, help="rows of the table that is read and written")
    parser.add_argument("--megabytes", type=int, default=100, help="record bytes per run of the broker tables")
    parser.add_argument("--watch", type=int, default=10, help="seconds that the broker with many of a thing is watched")
    parser.add_argument("--gigabytes", type=float, default=1, help="data of the broker that is started again")
    parser.add_argument(
        "only", nargs="*",
        help="start, latency, sql, broker, scale, connect, services, client; everything by default")
    options = parser.parse_args()
    only = options.only or "start, latency, sql, broker, scale, connect, services, client".split(", ")
    load = os.getloadavg()[0]
    print(f"{time.strftime('%Y-%m-%d')}  {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    if load > 0.5 * os.cpu_count():
        print("the machine is busy: trust the ratios, not the times")
    if "start" in only:
        start_table(options.sluice, options.runs)
    if "latency" in only:
        latency_table(options.sluice, options.rows)
    if "sql" in only:
        sql_table(options.sluice, options.table_rows)
    if "connect" in only:
        connect_tables(options.sluice)
    if "broker" in only:
        broker_tables(options.sluice, options.megabytes)
    if "scale" in only:
        scale_tables(options.sluice, options.watch, options.gigabytes)
    if "services" in only:
        services_tables(options.sluice, options.probe, options.records)
    if "client" in only:
        client_tables(options.sluice, options.megabytes)


if __name__ == "__main__":
    main()
