"""The measurements of bench.warehouse, one function a process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sources import registry
from sources.coverage.cover import CoveredSpan
from sources.planner import plan as planner
from sources.planner.held import NOTHING_HELD, gaps
from sources.slots import slot
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces
from warehouse.cache.generation import write_meta
from warehouse.cache.store import Cache
from warehouse.cache.tables import create_table, declared_tables
from warehouse.coverage import record
from warehouse.coverage.held import held
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import load

TOKENS = 5_000
WARM, ALONE, TURNS, TOGETHER = 2, 8, 4, 30
SHORT = 100_000
HISTORY = registry.dataset("tm-grade-history")


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pages(folder: Path, _size: int) -> dict[str, float]:
    """Pages of 1,000 rows, of which half say what was known: one a load beside dlt and read_json, many a load beside
    read_json.

    We and the peers take turns of as many new pages as known ones, and the quickest turn of each counts: others use
    the machine, too. No turn begins with what another left to be collected.
    """
    from bench import warehouse_peers as peers

    books = MemoryLedger()
    for number in range(WARM + TURNS * (ALONE + TOGETHER)):
        _deliver_thousand(books, number)
    bodies = [each.body for each in books.held]
    cache, pipeline = Cache(folder), peers.dlt_pipeline(folder)
    work: dict[str, Callable[[int], object]] = {
        "ours_alone": lambda n: load(cache, books.only(*range(1, n + 2))),
        "dlt": lambda n: peers.dlt_merge(pipeline, bodies[n]),
        "read_json_alone": lambda n: peers.read_json_alone(folder, bodies[n]),
    }
    took: dict[str, list[float]] = {"ours": [], "read_json": [], **{name: [] for name in work}}
    for one in work.values():
        [one(number) for number in range(WARM)]
    for turn in range(TURNS):
        start = WARM + turn * (ALONE + TOGETHER)
        for name, one in work.items():
            gc.collect()
            took[name].append(timed(lambda one=one, start=start: [one(start + n) for n in range(ALONE)]) / ALONE)  # type: ignore[misc]
        start += ALONE
        part = books.only(*range(1, start + TOGETHER + 1))
        took["ours"].append(timed(lambda part=part: load(cache, part)) / TOGETHER)  # type: ignore[misc]
        took["read_json"].append(peers.read_json(folder, bodies[start : start + TOGETHER]))
    return {name: min(seconds) for name, seconds in took.items()} | {"count": TOGETHER}


def _deliver_thousand(books: MemoryLedger, number: int) -> None:
    """A page of 100 tokens × 10 days; every second one is the one before, seen again."""
    at = T0 + timedelta(hours=number)
    tokens = range(100 * (number // 2), 100 * (number // 2) + 100)
    [piece, *_] = pieces(HISTORY.name, [str(token) for token in tokens], T0 - DAY * 9, T0, at)
    keys = tuple(str(token) for token in tokens)
    piece = replace(piece, group=replace(piece.group, limit=1000, keys=keys, rows=1000))
    books.deliver(piece, grades(tokens, T0 - DAY * 9, 10, 50.0), at, seq=number + 1)


def history(folder: Path, size: int) -> dict[str, float]:
    """A day's pages into a long history and into a short one, in turns."""
    homes = {"long": (folder / "long", size), "short": (folder / "short", SHORT)}
    took: dict[str, list[float]] = {name: [] for name in homes}
    for home, rows in homes.values():
        _fill(Cache(home), rows)
    for day in range(4):
        books = _day(day)
        for name, (home, _) in homes.items():
            took[name].append(timed(lambda home=home, books=books: load(Cache(home), books)))  # type: ignore[misc]
    return {name: statistics.median(seconds[1:]) for name, seconds in took.items()} | {"day_rows": 2 * TOKENS}


def _fill(cache: Cache, rows: int) -> None:
    """Observations and current rows as loads would have left them, the newest at T0."""
    table = declared_tables()["grades"]
    days = rows // TOKENS
    known = {"token_id", "token_name", "token_symbol", "date", "tm_grade", "tm_grade_24h_pct_change"}
    known |= {"tm_trader_grade_24h_change", "tm_grade_signal", "momentum"}
    others = [f'NULL::{kind} AS "{name}"' for name, kind in table.fields[: len(table.columns)] if name not in known]
    origin = (
        f"TIMESTAMPTZ '{T0:%Y-%m-%d %H:%M}+00' AS observed_at, 'before' AS purchase_id, '{HISTORY.name}' AS dataset"
    )
    batch = f"""
        SELECT t AS token_id, 'Token ' || t AS token_name, 'T' || t AS token_symbol,
               DATE '{T0 - DAY * days:%Y-%m-%d}' + d::INTEGER AS date, 50.0::DOUBLE AS tm_grade,
               0.5::DOUBLE AS tm_grade_24h_pct_change, 0.25::DOUBLE AS tm_trader_grade_24h_change,
               'Buy' AS tm_grade_signal, 'Positive' AS momentum, {", ".join(others)}
        FROM range(1, {days + 1}) b(d), range({TOKENS}) a(t)"""
    with cache.open() as con:
        create_table(con, table)
        con.execute(
            f"INSERT INTO {table.observations} BY NAME "
            f"SELECT *, {origin}, {table.content_hash} AS row_hash, 1 AS seq FROM ({batch}) AS batch"
        )
        con.execute(
            f"INSERT INTO {table.newest} BY NAME SELECT token_id, date, row_hash, seq FROM {table.observations}"
        )
        con.execute(f"INSERT INTO loads BY NAME SELECT {origin}, 1 AS seq, 'ok' AS envelope, {rows} AS rows_in")
        write_meta(con, whole="yes")


def _day(number: int) -> MemoryLedger:
    """A new day of every token, and the day before once more, a tenth of it restated."""
    at = T0 + DAY * (number + 1)
    books = MemoryLedger()
    for start in range(0, TOKENS, 50):
        tokens = range(start, start + 50)
        keys = [str(token) for token in tokens]
        [piece, *_] = pieces(HISTORY.name, keys, at - DAY, at, at)
        rows = [grade(token, at, 50.0 + number) for token in tokens]
        rows += [grade(token, at - DAY, 49.0 if token % 10 == 0 else 50.0 + number - 1) for token in tokens]
        delivery = books.deliver(piece, body(*rows), at + timedelta(seconds=start), seq=(number + 1) * 1000 + start)
        books.held[-1] = replace(delivery, purchase_id=f"day-{number}-{start}")
    return books


def missing(folder: Path, _size: int) -> dict[str, float]:
    """Asking what is missing when nothing is, and as many URLs of general HTTP caches as that year took calls."""
    from bench import warehouse_peers as peers

    cache, keys = Cache(folder), [str(number) for number in range(TOKENS)]
    first, last = slot(HISTORY, T0 - DAY * 365), slot(HISTORY, T0 - DAY)
    calls = planner.plan(HISTORY, keys, first, last, NOTHING_HELD, T0, T0).calls
    load(cache, MemoryLedger())
    with cache.open() as con:
        record.add_spans(con, HISTORY.name, [CoveredSpan(key, first, last, 0, True) for key in keys])

    def decide() -> None:
        cells = held(cache, HISTORY, keys, first, last, T0)
        assert not any(gaps(cells.spans.get(key, ()), first, last) for key in keys)

    def decide_and_list() -> None:
        cells = held(cache, HISTORY, keys, first, last, T0)
        assert not planner.plan(HISTORY, keys, first, last, cells, T0, T0).calls

    page = grades(range(10), T0, 10)
    return {
        "ours": statistics.median(timed(decide) for _ in range(7)),
        "listed": statistics.median(timed(decide_and_list) for _ in range(3)),
        "calls": calls,
        "hishel": peers.hishel_hit(folder, 300, page),
        "requests-cache": peers.requests_cache_hit(folder, 300, page),
    }


def rebuilding(folder: Path, size: int) -> dict[str, float]:
    """Bodies of 100 rows, loaded as they came, then read again."""
    books = _bodies(size // 100)
    cache = Cache(folder)
    step = max(len(books.held) // 10, 1)
    parts = [MemoryLedger(books.held[: start + step]) for start in range(0, len(books.held), step)]
    first = sum(timed(lambda part=part: load(cache, part)) for part in parts)  # type: ignore[misc]
    done = rebuild(folder, books)
    assert not done.changed
    return {"first": first, "rebuild": done.seconds, "same": len(done.after)}


def _bodies(count: int) -> MemoryLedger:
    """Windows of 25 days of four tokens each, one after the other."""
    books = MemoryLedger()
    for number in range(count):
        group, window = divmod(number, 4)
        tokens = range(4 * group, 4 * group + 4)
        start, at = T0 - DAY * (120 - 29 * window), T0 + timedelta(seconds=number)
        [piece, *_] = pieces(HISTORY.name, [str(token) for token in tokens], start, start + DAY * 24, at)
        books.deliver(piece, grades(tokens, start, 25, 50.0), at, seq=number + 1)
    return books
