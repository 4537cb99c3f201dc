"""Every version with the time for which it was current: as the words say, however the publications came about."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from payer.ledger import Ledger
from tests.scale import SCALE
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces
from tests.warehouse.purchases import buy_history
from tests.warehouse.sample_market import DAYS
from warehouse.cache.store import Cache
from warehouse.cache.tables import declared_tables
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.publish.views import row_versions
from warehouse.query import query

HOUR = timedelta(hours=1)
EPOCH = date(1970, 1, 1)
START = T0.replace(hour=0) - 20 * DAY
Row = tuple[Any, ...]


def deliver(books: MemoryLedger, dice: random.Random, at: datetime, seq: int) -> None:
    """A snapshot of the day, or a stretch of the history that ends before it; values repeat often, or are restated."""
    tokens = sorted(dice.sample([1, 2, 3], dice.randint(1, 3)))
    value = lambda: float(dice.randint(1, 3))  # noqa: E731
    if dice.random() < 0.5:
        [page, *_] = pieces("tm-grade", [str(token) for token in tokens], at, at, at)
        rows = [{**grade(token, at, value()), "DATE": None} for token in tokens]
    else:
        last = at - dice.randint(0, 6) * DAY
        days = [last - DAY * number for number in range(dice.randint(1, 4))]
        [page, *_] = pieces("tm-grade-history", [str(token) for token in tokens], days[-1], last, at)
        rows = [grade(token, day, value()) for token in tokens for day in days if dice.random() < 0.8]
    books.deliver(page, body(*rows), at, seq=seq)


def story(seed: int) -> list[MemoryLedger]:
    """The rows committed at each publication: mostly in the order of arrival, some deliveries late."""
    dice, books = random.Random(seed), MemoryLedger()
    for number in range(40):
        deliver(books, dice, START + 12 * HOUR * number + dice.randint(0, 5) * HOUR, number + 1)
    late = set(dice.sample(range(1, 30), 5))
    steps = [[number for number in range(1, upto + 1) if number not in late] for upto in (10, 30)]
    return [*(books.only(*step) for step in steps), books]


def rows_of(home: Path, table: str) -> list[Row]:
    columns = "token_id, date, tm_grade, dataset, seq, observed_at, is_final, public_at, value_at, valid_from, valid_to"
    return query(home, f"SELECT {columns} FROM {table}_versions ORDER BY ALL")[1]


def observed(home: Path, table: str) -> list[Row]:
    with Cache(home).open() as con:
        con.execute("SET TimeZone = 'UTC'")
        rows = f"SELECT token_id, date, tm_grade, dataset, seq, observed_at FROM {table}_observations"
        return con.execute(f"{rows} ORDER BY observed_at, seq").fetchall()


def settled_in_coverage(home: Path) -> set[Row]:
    spans = "SELECT key::BIGINT, first, last FROM coverage WHERE settled AND dataset = 'tm-grade-history'"
    with Cache(home).open() as con:
        found = con.execute(spans).fetchall()
    return {(key, EPOCH + slot * DAY) for key, first, last in found for slot in range(first, last + 1)}


def brute_force(home: Path) -> list[Row]:
    """The versions of `grades` by the words of the docs, one at a time."""
    history, snapshots = observed(home, "grades"), observed(home, "grades_snapshots")
    settled_cells, found = settled_in_coverage(home), []
    by_key: dict[Any, list[Row]] = defaultdict(list)
    for row in history:
        by_key[row[:2]].append(row)
    for versions in by_key.values():
        final = None
        for row, after in zip(versions, [*versions[1:], None], strict=True):
            end = datetime.combine(row[1], datetime.min.time(), UTC) + DAY
            settled, public = row[5] >= end + 6 * HOUR, row[5]
            if settled and final is None:
                final, public = row, end + 6 * HOUR
            until = after[5] if after else None
            seen_again = after is None and row[:2] in settled_cells
            found.append((*row, settled or seen_again, public, min(row[5], end), row[5], until))
    by_key.clear()
    for row in snapshots:
        by_key[row[:2]].append(row)
    for versions in by_key.values():
        for row, after in zip(versions, [*versions[1:], None], strict=True):
            newer = [each[5] for each in history if each[0] == row[0] and each[1] >= row[1]]
            if newer and min(newer) <= row[5]:
                continue
            ends = [*([after[5]] if after else []), *([min(newer)] if newer else [])]
            found.append((*row, False, row[5], row[5], row[5], min(ends) if ends else None))
    return sorted(found, key=repr)


@pytest.mark.parametrize("seed", range(SCALE))
def test_updates_late_deliveries_and_a_rebuild_come_to_what_the_words_say(
    tmp_path: Path, empty_home: Path, seed: int
) -> None:
    """I8: the same versions after three publications as after one. SCALE is how many stories are told."""
    step_by_step, at_once = tmp_path / "steps", tmp_path / "once"
    shutil.copytree(empty_home / "published", step_by_step / "published")
    for books in story(seed):
        load(Cache(step_by_step), books)
        publish(step_by_step, books)
        assert sorted(rows_of(step_by_step, "grades"), key=repr) == brute_force(step_by_step)
    load(Cache(at_once), books)
    publish(at_once, books)
    for table in ("grades", "grades_snapshots"):
        versions = rows_of(at_once, table)
        assert versions
        assert rows_of(step_by_step, table) == versions
        current = query(step_by_step, f"SELECT * FROM {table} ORDER BY ALL")[1]
        ours = f"SELECT * EXCLUDE (valid_from, valid_to) FROM {table}_versions WHERE valid_to IS NULL ORDER BY ALL"
        assert current == query(step_by_step, ours)[1]
        assert query(step_by_step, f"SELECT count(*) - count(DISTINCT (token_id, date)) FROM {table}")[1] == [(0,)]


def test_as_of_any_instant_has_each_key_once(market_home: Path) -> None:
    """The end of one version is the beginning of the next, to the microsecond."""
    overlapping = """
        SELECT count(*) FROM {0}_versions a JOIN {0}_versions b USING (token_id, date)
        WHERE (a.seq, a.dataset) <> (b.seq, b.dataset) AND a.valid_from < coalesce(b.valid_to, 'infinity')
          AND b.valid_from < coalesce(a.valid_to, 'infinity')"""
    for table in ("grades", "signals", "ohlcv_daily"):
        assert query(market_home, overlapping.format(table))[1] == [(0,)]


@pytest.fixture
def attached(market_home: Path) -> Callable[[str], list[Row]]:
    """Ask in a database of one's own, which has a table `grades` and its versions too, and the published file as w."""
    path = market_home / "published" / "warehouse.duckdb"

    def ask(sql: str) -> list[Row]:
        with duckdb.connect() as con:
            con.execute(f"ATTACH '{path}' AS w (READ_ONLY)")
            for name in ("grades", "grades_versions", "grades_observations", "signals_first_seen", "row_keys", "costs"):
                con.execute(f"CREATE TABLE {name} AS FROM w.{name}")
            return con.execute(sql).fetchall()

    return ask


@pytest.mark.parametrize(
    "call", ["grades_as_of(now())", "grades_known_at('signals_first_seen')", "provenance('grades', '3375')"]
)
def test_macros_fail_loudly_when_attached_and_work_in_the_file(
    attached: Callable[[str], list[Row]], market_home: Path, call: str
) -> None:
    """They would read the tables of the same names that the caller has; the error names what works instead."""
    with pytest.raises(duckdb.CatalogException, match="only_in_its_own_file_use_the_versions_tables"):
        attached(f"FROM w.{call}")
    assert query(market_home, f"FROM {call}")[1]
    path = market_home / "published" / "warehouse.duckdb"
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{path}' AS w (READ_ONLY)")
        con.execute("USE w")
        assert con.execute(f"FROM {call}").fetchall()


def test_another_published_file_is_not_mistaken_for_ones_own(market_home: Path, empty_home: Path) -> None:
    """Opened directly beside one attached: each has a marker of its own."""
    with duckdb.connect(str(empty_home / "published" / "warehouse.duckdb"), read_only=True) as con:
        con.execute(f"ATTACH '{market_home / 'published' / 'warehouse.duckdb'}' AS w (READ_ONLY)")
        assert con.execute("FROM grades_as_of(now())").fetchall() == []
        with pytest.raises(duckdb.CatalogException, match="only_in_its_own_file"):
            con.execute("FROM w.grades_as_of(now())")


def test_as_of_is_a_where_clause_attached(attached: Callable[[str], list[Row]], market_home: Path) -> None:
    [(at,)] = query(market_home, "SELECT max(observed_at) - INTERVAL 1 HOUR FROM grades")[1]
    moment = f"TIMESTAMPTZ '{at.isoformat()}'"
    where = f"WHERE valid_from <= {moment} AND (valid_to IS NULL OR valid_to > {moment})"
    for table in ("grades", "signals", "moonshots"):
        sql = f"SELECT * EXCLUDE (valid_from, valid_to) FROM w.{table}_versions {where} ORDER BY ALL"
        assert attached(sql) == query(market_home, f"FROM {table}_as_of({moment}) ORDER BY ALL")[1]


def test_views_work_attached(market_home: Path) -> None:
    """Under another name, where none of the names in their bodies is a table of the caller."""
    path = market_home / "published" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as con:
        there = con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        names = [name for (name,) in there if not name.endswith("_observations")]
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {{0}}{name}" for name in names)
        own = con.execute(counts.format("")).fetchall()
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{path}' AS w (READ_ONLY)")
        assert con.execute(counts.format("w.")).fetchall() == own


@pytest.mark.parametrize("table", declared_tables().values(), ids=lambda table: table.name)
def test_every_table_has_its_versions_with_these_columns(market_home: Path, table: Any) -> None:
    names, _ = query(market_home, f"FROM {row_versions.name_of(table)} LIMIT 0")
    assert names == [name for name, _ in row_versions.version_fields(table)]
    assert query(market_home, f"FROM {table.name} LIMIT 0")[0] == names[:-2]


def test_a_row_is_final_by_the_declared_rule(market_home: Path) -> None:
    """Signals seen at 08:00 of their day may change. The fourth day's were seen again the morning after, one restated
    and two the same: all three are final. Snapshots are what was seen."""
    said = "SELECT date, is_final, count(*) FROM signals GROUP BY ALL ORDER BY ALL"
    assert query(market_home, said)[1] == [(day.date(), number == 3, 3) for number, day in enumerate(DAYS)]
    for table in ("grades_snapshots", "prices", "moonshots", "tokens"):
        assert query(market_home, f"SELECT DISTINCT is_final FROM {table}")[1] == [(True,)]


def test_a_row_seen_again_unchanged_becomes_final_with_the_next_publication(tmp_path: Path, ledger: Ledger) -> None:
    first = DAYS[0]
    for at in (first + 8 * HOUR, first + 31 * HOUR):
        buy_history(ledger, grades([1], first, 1), [1], first, first, at)
        load(Cache(tmp_path), ledger)
        publish(tmp_path, ledger)
        final = at > first + 30 * HOUR
        assert query(tmp_path, "SELECT is_final, observed_at, count(*) OVER () FROM grades_versions")[1] == [
            (final, first + 8 * HOUR, 1)
        ]
