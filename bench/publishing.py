"""Publishing at size, and fifty analysts beside it.

TOLLBOOK_BENCH_ROWS is the history's size (default 10 million), TOLLBOOK_BENCH_SECONDS how long the analysts look.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.rows import Row
from payer.ledger import Ledger
from tests.warehouse.flows_and_analysts import look_on
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.cache.tables import create_table, declared_tables
from warehouse.load.self_repair import load
from warehouse.publish.publish import compact, publish
from warehouse.snapshots.layout import link
from warehouse.snapshots.manifest import Manifest, read_manifest, write_manifest
from warehouse.snapshots.write import store

TITLE = "Publishing"

ROWS = int(os.environ.get("TOLLBOOK_BENCH_ROWS", "10000000"))
SECONDS = float(os.environ.get("TOLLBOOK_BENCH_SECONDS", "60"))
TOKENS = 5_000
SESSIONS, HELD = 50, 10
PAUSE = 0.5
"""Seconds that an analyst reads an answer for. Without it forty processes leave two cores nothing to publish with."""
WARM = 3
LIMIT_MB = 2048

_ROW = """
SELECT t AS token_id, 'Token ' || t AS token_name, 'T' || t AS token_symbol, DATE '2015-01-01' + d::INTEGER AS date,
       hash(t, d, {salt}) % 10000 / 100.0 AS tm_grade, hash(t, d) % 100 / 10.0 AS fundamental_grade,
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
            yield from _beside_sessions(home, ledger, max(4, ROWS // TOKENS) + 10)
    yield from _analysts()
    yield from _year()
    yield _memory()


def _memory() -> Row:
    """This process did all of the publishing above; its children copied and looked."""
    own, largest = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    worst, beside = max(own, largest), f"publisher {own:,.0f} MB, largest child {largest:,.0f} MB"
    return Row(f"peak memory of publishing at {ROWS:,} rows", beside, f"{LIMIT_MB} MB", worst / LIMIT_MB, 1.0)


def add_rows(home: Path, purchase: str, salt: int, first: int, last: int) -> None:
    """Rows as a load leaves them."""
    sql = _ROW.format(salt=salt, purchase=purchase, tokens=TOKENS, first=first, last=last)
    with Cache(home).open() as con:
        create_table(con, declared_tables()["grades"])
        con.execute("BEGIN")
        con.execute(f"INSERT INTO grades_observations BY NAME {sql}")
        con.execute(f"INSERT INTO grades_newest BY NAME SELECT token_id, date, row_hash, seq FROM ({sql})")
        count = TOKENS * (last - first)
        con.execute(
            "INSERT INTO loads BY NAME SELECT ? AS purchase_id, ? AS seq, 'tm-grade-history' AS dataset, ? AS rows_in, "
            "? AS rows_new, 0 AS rows_changed, 0 AS rows_quarantined, now() AS observed_at, 'ok' AS envelope",
            [purchase, salt, count, count],
        )
        con.execute("COMMIT")


def _publishing(home: Path, ledger: Ledger) -> Iterator[Row]:
    days = max(4, ROWS // TOKENS)
    add_rows(home, "history", 1, 0, days)
    publish(home, ledger)
    for day in range(WARM):
        add_rows(home, f"warm-{day}", 2 + day, days + day, days + day + 1)
        publish(home, ledger)
    ours, whole = [], []
    for turn in range(3):
        day = days + WARM + turn
        add_rows(home, f"day-{turn}", 2 + WARM + turn, day, day + 1)
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
    """Publish by copying the whole database each time."""
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


def _beside_sessions(home: Path, ledger: Ledger, first_day: int) -> Iterator[Row]:
    """The same while sessions hold versions of the file open."""
    holding = [subprocess.Popen([sys.executable, "-c", _HOLD, str(home)], stdin=subprocess.PIPE) for _ in range(HELD)]
    ours, whole = [], []
    for turn in range(4):
        add_rows(home, f"held-{turn}", 100 + turn, first_day + turn, first_day + turn + 1)
        started = time.perf_counter()
        held = publish(home, ledger).held
        ours.append(time.perf_counter() - started)
        whole.append(_copy_whole(home))
    for session in holding:
        session.communicate()
    mine, theirs = statistics.median(ours), statistics.median(whole)
    yield Row(
        f"the same while {HELD} sessions are held open",
        f"{mine:.2f} s (longest {max(ours):.2f} s)",
        f"{theirs:.2f} s to copy the database",
        mine / theirs,
        0.25,
        f"{held.files} older versions held, {held.bytes / 1e6:,.0f} MB",
    )


_HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1] + "/published/warehouse.duckdb", read_only=True, config={"threads": 1}) as con:
    con.execute("SELECT count(*) FROM grades").fetchall()
    sys.stdin.read()
"""


def _analysts() -> Iterator[Row]:
    """Sessions that look, some held open to the end, while three flows buy, load and publish over and over."""
    with tempfile.TemporaryDirectory() as folder, open_ledger(Path(folder)) as ledger:
        load(Cache(Path(folder)), ledger)
        publish(Path(folder), ledger)
        seen = look_on(Path(folder), SESSIONS, HELD, SECONDS, PAUSE)
    yield Row(
        f"{SESSIONS} analysts ({HELD} held open) and three flows for {SECONDS:.0f} s: errors or torn reads",
        f"{len(seen.errors)} in {seen.sessions} sessions ({seen.queries} queries)",
        "none allowed",
        float(len(seen.errors)),
        0.0,
        note=f"{' + '.join(map(str, seen.publications))} publications {seen.errors[0] if seen.errors else ''}",
    )
    for name, spent, limit in (("wait for its turn", seen.waits, 30), ("publication", seen.took, 60)):
        yield Row(
            f"a flow's longest {name} beside them",
            f"{max(spent):.2f} s (median {statistics.median(spent):.2f} s)",
            f"limit {limit} s",
            max(spent) / limit,
            1.0,
        )


def _year() -> Iterator[Row]:
    """Files of a year of hourly runs, compacted each week: what the manifest holds at most, for one dataset."""
    with tempfile.TemporaryDirectory() as folder, open_ledger(Path(folder)) as ledger:
        root, most = Path(folder) / "published" / "snapshots", 0
        root.mkdir(parents=True)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for week in range(52):
            _hourly_files(root, [start + timedelta(hours=hour) for hour in range(week * 168, week * 168 + 168)])
            most = max(most, len(read_manifest(root).files))
            compact(Path(folder), ledger, now=start + timedelta(weeks=week + 1))
        last = len(read_manifest(root).files)
    yield Row("files after a year of hourly runs, compacted weekly", f"{last}", "200 a dataset", last / 200, 1.0)
    yield Row("the most there were, just before a compaction", f"{most}", "200 a dataset", most / 200, 1.0)


def _hourly_files(root: Path, hours: list[datetime]) -> None:
    """A file for each hour's run, as `snapshots.write` leaves them."""
    fresh, manifest = [], read_manifest(root)
    with duckdb.connect() as con:
        for hour in hours:
            row = (
                f"{hour.timestamp():.0f} AS seq, TIMESTAMPTZ '{hour}' AS observed_at, TIMESTAMPTZ '{hour}' AS timestamp"
            )
            query = f"SELECT 1 AS token_id, {row}, 'p-{hour:%m%d%H}' AS purchase_id"
            partition = ("hourly-ohlcv", f"{hour:%Y-%m}")
            fresh.append(store(con, root, query, partition, "part", [f"p-{hour:%m%d%H}"], {}, hour))
    for file in fresh:
        link(root, file)
    write_manifest(root, Manifest((*manifest.files, *fresh), manifest.retired))
