"""What was known at an event's time: exact against every pair compared, and where the naive join goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tollbook.warehouse import catalogue, known

GRADES = catalogue.table("grades")

_OBSERVED = """
INSERT INTO grades_observations BY NAME
SELECT token AS token_id, DATE '2026-01-01' + day::INTEGER AS date, hash(token, day, version) % 100 / 1.0 AS tm_grade,
       {arrival} AS observed_at, 'p' || version AS purchase_id, version AS seq, hash(token, day, version) AS row_hash
FROM range(20) t(token), range(100) d(day), range(2) v(version)
WHERE version = 0 OR hash(token, day) % 10 < {restated}
"""
LIVE = "TIMESTAMPTZ '2026-01-01 06:00:00Z' + to_days((day + version * (1 + hash(token, day, 1) % 20))::INTEGER)"
BACKFILLED = "TIMESTAMPTZ '2026-06-01 06:00:00Z' + to_days((hash(token, day // 29) % 40 + 30 * version)::INTEGER)"
"""Bodies of 29 days each, whose rows arrive at one instant and in no order of days."""

EVENTS = """
SELECT (hash(n) % 20)::BIGINT AS token_id, DATE '2026-01-01' + (hash(n, 1) % 100)::INTEGER AS date, at_time
FROM (SELECT n, TIMESTAMPTZ '2026-01-01 08:00:00Z' + to_days((hash(n, 1) % 100 + {later})::INTEGER) AS at_time
      FROM range(1000) r(n))
"""

EVERY_PAIR = """
SELECT e.token_id, e.date, e.at_time, max_by(o.date, (o.date, o.observed_at, o.seq)),
       max_by(o.tm_grade, (o.date, o.observed_at, o.seq))
FROM (SELECT DISTINCT * FROM events) e JOIN grades_observations o
  ON o.token_id = e.token_id AND o.observed_at <= e.at_time AND o.date <= e.date
GROUP BY ALL ORDER BY ALL
"""
OURS = "SELECT token_id, date, at_time, known_date, tm_grade FROM grades_known_at('events') ORDER BY ALL"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty table of grades with its macros."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'Asia/Tokyo'")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in GRADES.fields)
        con.execute(f"CREATE TABLE grades_observations ({columns})")
        for statement in known.statements(GRADES):
            con.execute(statement)
        yield con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("arrival", "restated", "later"),
    [(LIVE, 0, "0"), (LIVE, 3, "0"), (LIVE, 10, "hash(n, 2) % 60"), (BACKFILLED, 5, "150"), (BACKFILLED, 10, "170")],
    ids=["live", "restated", "looked at later", "while a backfill goes on", "after a backfill"],
)
def test_the_answer_is_that_of_every_pair_compared(
    con: duckdb.DuckDBPyConnection, arrival: str, restated: int, later: str
) -> None:
    con.execute(_OBSERVED.format(arrival=arrival, restated=restated))
    con.execute(f"CREATE TABLE events AS {EVENTS.format(later=later)}")
    expected = rows(con, EVERY_PAIR)
    assert len(expected) > 100
    assert rows(con, OURS) == expected


def test_the_naive_join_is_wrong_for_a_tenth_of_the_events_and_ours_for_none(con: duckdb.DuckDBPyConnection) -> None:
    """ASOF on observed_at finds what *arrived* last: after a late correction, an old day."""
    con.execute(_OBSERVED.format(arrival=LIVE, restated=3))
    con.execute(f"CREATE TABLE events AS {EVENTS.format(later='0')}")
    naive = """SELECT e.token_id, e.date, e.at_time, o.date, o.tm_grade FROM (SELECT DISTINCT * FROM events) e
               ASOF JOIN grades_observations o ON o.token_id = e.token_id AND e.at_time >= o.observed_at
               ORDER BY ALL"""
    right = {row[:3]: row[3:] for row in rows(con, EVERY_PAIR)}
    wrong = {
        name: sum(right[row[:3]] != row[3:] for row in rows(con, sql)) / len(right)
        for name, sql in (("naive", naive), ("ours", OURS))
    }
    assert wrong["ours"] == 0
    assert 0.05 < wrong["naive"] < 0.3, wrong


def test_an_event_before_anything_was_known_has_no_answer(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_OBSERVED.format(arrival=BACKFILLED, restated=0))
    con.execute(f"CREATE TABLE events AS {EVENTS.format(later='0')}")
    assert rows(con, OURS) == []


def test_events_may_come_from_a_query_of_the_same_statement(con: duckdb.DuckDBPyConnection) -> None:
    """And a time without a zone is UTC, here in a session in Tokyo."""
    con.execute(_OBSERVED.format(arrival=LIVE, restated=0))
    sql = """WITH mine AS (SELECT 3 AS token_id, DATE '2026-01-05' AS date, TIMESTAMP '2026-01-05 {}' AS at_time)
             SELECT known_date::VARCHAR FROM grades_known_at('mine')"""
    assert rows(con, sql.format("05:59")) == [("2026-01-04",)]
    assert rows(con, sql.format("06:00")) == [("2026-01-05",)]


def test_every_table_with_one_row_per_key_and_time_has_it() -> None:
    dated = {own.name for own in catalogue.tables() if known.is_dated(own)}
    assert {"grades", "signals", "signals_hourly", "ohlcv_daily", "investor_grades"} <= dated
    assert dated.isdisjoint({"moonshots", "market_metrics", "sentiments"})
