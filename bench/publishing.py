"""Publishing at size, and fifty analysts beside it.

TOLLBOOK_BENCH_ROWS is the history's size (default 10 million), TOLLBOOK_BENCH_SECONDS how long the analysts look.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
from tests.warehouse.bought import open_ledger

from bench.rows import Row
from tollbook.payer.ledger import Ledger
from tollbook.warehouse.cache import Cache
from tollbook.warehouse.publish import publish

TITLE = "Publishing"

ROWS = int(os.environ.get("TOLLBOOK_BENCH_ROWS", "10000000"))
SECONDS = float(os.environ.get("TOLLBOOK_BENCH_SECONDS", "60"))
TOKENS = 5_000
SESSIONS, HELD = 50, 10

_ROW = """
SELECT t AS token_id, 'Token ' || t AS token_name, 'T' || t AS token_symbol, DATE '2015-01-01' + d::INTEGER AS date,
       hash(t, d, {salt}) % 10000 / 100.0 AS tm_grade, hash(t, d) % 100 / 10.0 AS quant_grade,
       'Buy' AS tm_grade_signal, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL 1 DAY * {salt} AS observed_at,
       '{purchase}' AS purchase_id, 'tm-grade-history' AS dataset, hash(t, d, {salt}) AS row_hash, {salt} AS seq
FROM range({tokens}) a(t), range({first}, {last}) b(d)
"""


def rows() -> Iterator[Row]:
    """Each figure with what it is measured against, in one run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with open_ledger(home) as ledger:
            yield from _publishing(home, ledger)
            yield from _analysts(home, ledger)


def _add(home: Path, purchase: str, salt: int, first: int, last: int) -> None:
    """Rows as a load leaves them."""
    sql = _ROW.format(salt=salt, purchase=purchase, tokens=TOKENS, first=first, last=last)
    with Cache(home).open() as con:
        con.execute("BEGIN")
        for table in ("grades_observations", "grades"):
            con.execute(f"INSERT INTO {table} BY NAME {sql}")
        count = TOKENS * (last - first)
        con.execute(
            "INSERT INTO loads BY NAME SELECT ? AS purchase_id, ? AS seq, 'tm-grade-history' AS dataset, ? AS rows_in, "
            "? AS rows_new, 0 AS rows_changed, 0 AS rows_quarantined, now() AS observed_at, 'ok' AS envelope",
            [purchase, salt, count, count],
        )
        con.execute("COMMIT")


def _publishing(home: Path, ledger: Ledger) -> Iterator[Row]:
    days = max(4, ROWS // TOKENS)
    _add(home, "history", 1, 0, days)
    publish(home, ledger)
    for day in range(2):
        _add(home, f"warm-{day}", 2 + day, days + day, days + day + 1)
        publish(home, ledger)
    ours, whole = [], []
    for turn in range(3):
        day = days + 2 + turn
        _add(home, f"day-{turn}", 4 + turn, day, day + 1)
        started = time.perf_counter()
        publish(home, ledger)
        ours.append(time.perf_counter() - started)
        whole.append(_copy_whole(home))
    mine, theirs = statistics.median(ours), statistics.median(whole)
    yield Row(
        f"publishing a day's change at {ROWS:,} rows",
        f"{mine:.2f} s",
        f"{theirs:.2f} s to copy the database",
        mine / theirs,
        0.25,
    )


def _copy_whole(home: Path) -> float:
    """What publishing costs when the whole database is copied each time."""
    target = home / "whole.duckdb"
    started = time.perf_counter()
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{home}/published/warehouse.duckdb' AS live (READ_ONLY)")
        con.execute(f"ATTACH '{target}' AS pub (STORAGE_VERSION 'v1.5.0')")
        for name in ("grades", "grades_observations"):
            con.execute(f"CREATE TABLE pub.{name} AS FROM live.{name}")
        con.execute("CHECKPOINT pub")
    spent = time.perf_counter() - started
    target.unlink()
    return spent


_ANALYST = """
import duckdb, pathlib, sys, time
path, stop, held = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3] == "held"
sessions = queries = 0
while not stop.exists():
    with duckdb.connect(path, read_only=True, config={"threads": 1, "memory_limit": "200MB"}) as con:
        sessions += 1
        first = None
        while True:
            shown = con.execute(
                "SELECT (SELECT count(*) FROM signals), "
                "(SELECT coalesce(sum(rows_in), 0) FROM loads WHERE dataset = 'trading-signals')"
            ).fetchall()[0]
            queries += 1
            assert shown[0] == shown[1], shown
            first = first or shown
            assert shown == first, (shown, first)
            if not held or stop.exists():
                break
            time.sleep(0.5)
    time.sleep(0.05)
print(sessions, queries)
"""


def _analysts(home: Path, ledger: Ledger) -> Iterator[Row]:
    """Sessions that look, some held open to the end, while rows come and are published over and over."""
    shutil.rmtree(home / "published")
    path = publish(home, ledger).path
    stop = home / "stop"
    command = [sys.executable, "-c", _ANALYST, str(path), str(stop)]
    analysts = [
        subprocess.Popen(
            [*command, "held" if n < HELD else "short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for n in range(SESSIONS)
    ]
    waits, until = [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        _signals(home, len(waits))
        started = time.perf_counter()
        publish(home, ledger)
        waits.append(time.perf_counter() - started)
    stop.touch()
    results = [analyst.communicate(timeout=120) for analyst in analysts]
    failed = [err for (_, err), analyst in zip(results, analysts, strict=True) if analyst.returncode]
    sessions, queries = (sum(int(out.split()[i]) for out, err in results if not err) for i in (0, 1))
    worst = max(waits)
    yield Row(
        f"{SESSIONS} analysts ({HELD} held open) for {SECONDS:.0f} s: sessions with an error or a torn read",
        f"{len(failed)} of {sessions} ({queries} queries)",
        "none allowed",
        float(len(failed)),
        0.0,
        note=f"{len(waits)} publications; {failed[0].strip().splitlines()[-1] if failed else ''}",
    )
    yield Row(
        "the publisher's longest publication beside them",
        f"{worst:.2f} s (median {statistics.median(waits):.2f} s)",
        "limit 30 s",
        worst / 30,
        1.0,
    )


def _signals(home: Path, turn: int) -> None:
    with Cache(home).open() as con:
        con.execute("BEGIN")
        for table in ("signals_observations", "signals"):
            con.execute(
                f"INSERT INTO {table} BY NAME SELECT t AS token_id, DATE '2026-01-01' + ?::INTEGER AS date, "
                "1 AS trading_signal, now() AS observed_at, ? AS purchase_id, 'trading-signals' AS dataset, "
                "hash(t) AS row_hash, ? AS seq FROM range(100) a(t)",
                [turn, f"signals-{turn}", 1000 + turn],
            )
        con.execute(
            "INSERT INTO loads BY NAME SELECT ? AS purchase_id, ? AS seq, 'trading-signals' AS dataset, "
            "100 AS rows_in, 100 AS rows_new, 0 AS rows_changed, 0 AS rows_quarantined, "
            "now() AS observed_at, 'ok' AS envelope",
            [f"signals-{turn}", 1000 + turn],
        )
        con.execute("COMMIT")
