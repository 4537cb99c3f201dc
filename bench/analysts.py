"""Analysts' questions of the published file, beside plain tables laid out by hand for that one question.

TOLLBOOK_BENCH_ROWS is how many observations there are (default 10 million); a tenth of them are restatements, and there
are a tenth as many events. The plain tables hold only the columns asked for, in the order that suits the question; of
several ways to ask them the quickest counts. Both give the same answer, which is checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from bench.rows import Row
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.cache.tables import create_table, declared_tables
from warehouse.publish.publish import publish

TITLE = "Analysts' questions"

ROWS = int(os.environ.get("TOLLBOOK_BENCH_ROWS", "10000000"))
TOKENS = max(50, ROWS // 2_000)
DAYS = ROWS * 9 // 10 // TOKENS
EVENTS = ROWS // 10
TURNS = 5
AIM = 1.2
MEMORY, LIMIT_MB = "1500MB", 2048

_OBSERVED = f"""
SELECT t AS token_id, 'Token ' || t AS token_name, 'T' || t AS token_symbol, DATE '2020-01-01' + d::INTEGER AS date,
       hash(t, d, v) % 10000 / 100.0 AS tm_grade, hash(t, d) % 100 / 10.0 AS fundamental_grade,
       'Buy' AS tm_grade_signal,
       TIMESTAMPTZ '2020-01-01 06:15:00Z' + to_days((d + v * (1 + hash(t, d, 5) % 30))::INTEGER)
           + to_hours(v * 6) AS observed_at,
       v || '-' || d AS purchase_id, 'tm-grade-history' AS dataset, hash(t, d, v) AS row_hash, d * 2 + v AS seq
FROM range(2) c(v), range({DAYS}) b(d), range({TOKENS}) a(t)
WHERE v = 0 OR hash(t, d, 8) % 9 = 0
"""
_EVENTS = f"""
SELECT (hash(n) % {TOKENS})::BIGINT AS token_id, DATE '2020-01-01' + (hash(n, 1) % {DAYS})::INTEGER AS date,
       TIMESTAMPTZ '2020-01-01 00:00:00Z' + to_days((hash(n, 1) % {DAYS})::INTEGER)
           + to_hours((hash(n, 2) % 24)::INTEGER) AS at_time
FROM range({EVENTS}) r(n)
"""
"""At any hour, so that for a quarter of them their own day's row has yet to arrive."""
AS_OF = f"TIMESTAMPTZ '2020-01-01 00:00:00Z' + to_days({DAYS * 9 // 10})"

OURS = {
    "scan": "SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date) FROM grades",
    "as_of": f"SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date) FROM grades_as_of({AS_OF})",
    "known": "SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(known_date) FROM grades_known_at('events')",
}
_KNOWN = """WITH event AS (SELECT DISTINCT token_id, date, at_time FROM events)
SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(known) FROM (
    SELECT o.date AS known, o.tm_grade FROM event e ASOF JOIN (
        FROM arrived QUALIFY date >= max(date) OVER (
            PARTITION BY token_id ORDER BY observed_at, date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) o
    ON e.token_id = o.token_id AND e.at_time >= o.observed_at)"""
"""Right on these data alone: each day's rows arrive on that day. A plain join to a signal's own day and the day before
would be right, too, and quicker than either side; but it asks for one of two days, not for the newest known."""
PLAIN = {
    "scan": ("SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date) FROM newest",),
    "as_of": (
        f"""SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date) FROM (FROM versions WHERE observed_at <= {AS_OF}
            QUALIFY row_number() OVER (PARTITION BY token_id, date ORDER BY observed_at DESC) = 1)""",
        f"""SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date) FROM (
            SELECT token_id, date, arg_max(tm_grade, observed_at) AS tm_grade FROM versions
            WHERE observed_at <= {AS_OF} GROUP BY ALL)""",
        f"""WITH last AS (SELECT token_id, date, max(observed_at) AS observed_at FROM versions
                          WHERE observed_at <= {AS_OF} GROUP BY ALL)
            SELECT count(*), sum(tm_grade::DECIMAL(9, 2)), max(date)
            FROM versions JOIN last USING (token_id, date, observed_at)""",
    ),
    "known": (_KNOWN,),
}
WORDS = {
    "scan": f"`grades`, the current rows of {ROWS:,} observations, scanned",
    "as_of": f"`grades_as_of` nine tenths of the way through {ROWS:,} observations",
    "known": f"grades known at {EVENTS:,} signals, of {ROWS:,} observations",
}


def rows() -> Iterator[Row]:
    """Each question with what the plain tables took, in one run."""
    with tempfile.TemporaryDirectory() as folder:
        _build(Path(folder))
        command = [sys.executable, "-m", "bench.analysts", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name, words in WORDS.items():
        ours, plain = found[name]
        yield Row(words, f"{ours:.3f} s", f"plain table {plain:.3f} s", ours / plain, AIM)
    peak = found["peak_mb"]
    yield Row("peak memory of all of it", f"{peak:,.0f} MB", f"{LIMIT_MB} MB", peak / LIMIT_MB, 1.0)


def _build(home: Path) -> None:
    """The published file as loads and a publication leave it, and the plain tables beside it."""
    with open_ledger(home) as ledger, Cache(home).open() as con:
        create_table(con, declared_tables()["grades"])
        con.execute(f"INSERT INTO grades_observations BY NAME {_OBSERVED}")
        last = "row_number() OVER (PARTITION BY token_id, date ORDER BY observed_at DESC) = 1"
        newest = f"SELECT token_id, date, row_hash, seq FROM grades_observations QUALIFY {last}"
        con.execute(f"INSERT INTO grades_newest BY NAME {newest}")
        con.execute(
            "INSERT INTO loads BY NAME SELECT purchase_id, 'tm-grade-history' AS dataset, any_value(seq) AS seq, "
            "'ok' AS envelope FROM grades_observations GROUP BY purchase_id"
        )
    with open_ledger(home) as ledger:
        path = publish(home, ledger).path
    with duckdb.connect(str(home / "plain.duckdb"), config={"memory_limit": MEMORY}) as con:
        con.execute(f"ATTACH '{path}' AS tollbook (READ_ONLY)")
        columns = "token_id::INTEGER AS token_id, date, tm_grade"
        con.execute(f"CREATE TABLE newest AS SELECT {columns} FROM tollbook.grades ORDER BY ALL")
        observed = f"SELECT {columns}, observed_at FROM tollbook.grades_observations"
        con.execute(f"CREATE TABLE versions AS {observed} ORDER BY token_id, date, observed_at")
        con.execute(f"CREATE TABLE arrived AS {observed} ORDER BY token_id, observed_at")


def _measure(home: Path) -> Mapping[str, object]:
    """In turns, first the one and then the other; the quickest of each counts, as others use the machine, too."""
    ours = duckdb.connect(str(home / "published" / "warehouse.duckdb"), True, {"memory_limit": MEMORY})
    plain = duckdb.connect(str(home / "plain.duckdb"), True, {"memory_limit": MEMORY})
    for con in (ours, plain):
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"CREATE TEMP TABLE events AS {_EVENTS}")
    figures: dict[str, object] = {}
    for name, question in OURS.items():
        sides = [(ours, (question,)), (plain, PLAIN[name])]
        best = [float("inf"), float("inf")]
        answers = set()
        for turn in range(TURNS):
            for side in (0, 1) if turn % 2 else (1, 0):
                con, ways = sides[side]
                for way in ways:
                    seconds, answer = _timed(con, way)
                    best[side] = min(best[side], seconds)
                    answers.add(answer)
        assert len(answers) == 1, (name, answers)
        figures[name] = best
    return figures


def _timed(con: duckdb.DuckDBPyConnection, question: str) -> tuple[float, tuple[Any, ...]]:
    started = time.perf_counter()
    [answer] = con.execute(question).fetchall()
    return time.perf_counter() - started, answer


def main(folder: str) -> None:
    """Ask everything and print the figures."""
    import resource

    figures = dict(_measure(Path(folder)))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
