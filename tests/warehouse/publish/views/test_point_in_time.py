"""Values known at an event's time: exact against every pair compared, and where the naive join goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from warehouse.cache.sql import definition
from warehouse.cache.tables import declared_tables
from warehouse.publish.views import catalog, point_in_time
from warehouse.publish.views.row_versions import current_fields

GRADES = catalog.table("grades")
HOURLY = catalog.table("signals_hourly")

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
TWICE = "TIMESTAMPTZ '2026-01-01 06:00:00Z' + to_days(day::INTEGER)"
"""Two purchases that arrive at one instant: the later one counts."""

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
    """Empty tables of grades and of hourly signals with their macros."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'Asia/Tokyo'")
        for own in (GRADES, HOURLY):
            con.execute(f"CREATE TABLE {own.observations} ({definition(current_fields(own))})")
            for statement in point_in_time.statements(own):
                con.execute(statement)
        yield con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("arrival", "restated", "later"),
    [
        (LIVE, 0, "0"),
        (LIVE, 3, "0"),
        (LIVE, 10, "hash(n, 2) % 60"),
        (TWICE, 10, "(hash(n, 2) % 3)::INTEGER - 1"),
        (BACKFILLED, 5, "150"),
        (BACKFILLED, 10, "170"),
    ],
    ids=["live", "restated", "looked at later", "twice at once", "while a backfill goes on", "after a backfill"],
)
def test_the_answer_is_that_of_every_pair_compared(
    con: duckdb.DuckDBPyConnection, arrival: str, restated: int, later: str
) -> None:
    con.execute(_OBSERVED.format(arrival=arrival, restated=restated))
    con.execute(f"CREATE TABLE events AS {EVENTS.format(later=later)}")
    expected = rows(con, EVERY_PAIR)
    assert len(expected) > 100
    assert rows(con, OURS) == expected


@pytest.mark.parametrize("arrival", [LIVE, BACKFILLED], ids=["live", "a backfill"])
def test_the_newest_day_may_be_long_before_the_event(con: duckdb.DuckDBPyConnection, arrival: str) -> None:
    """Rows of every fortieth day, and events of days up to the last there is."""
    con.execute(_OBSERVED.format(arrival=arrival, restated=5))
    con.execute("UPDATE grades_observations SET date = DATE '2026-01-01' + (40 * (date - DATE '2026-01-01'))::INTEGER")
    con.execute(f"CREATE TABLE events AS {EVENTS.format(later='hash(n, 2) % 180')}")
    con.execute("UPDATE events SET date = DATE '2026-01-01' + (41 * (date - DATE '2026-01-01'))::INTEGER")
    con.execute("INSERT INTO events SELECT token_id, d, at_time FROM events, (VALUES (DATE 'infinity'), (NULL)) v(d)")
    expected = rows(con, EVERY_PAIR)
    assert len(expected) > 600
    assert rows(con, OURS) == expected


@pytest.mark.parametrize("delay", ["2", "hash(h) % 80", "9000"], ids=["live", "late", "never in time"])
def test_hours_are_found_as_days_are(con: duckdb.DuckDBPyConnection, delay: str) -> None:
    """With hours that have no row, and events between the hours, at infinity and at no time."""
    hour = "TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_hours"
    con.execute(f"""
        INSERT INTO signals_hourly_observations BY NAME
        SELECT h % 3 AS token_id, {hour}(h::INTEGER) AS timestamp, {hour}((h + {delay})::INTEGER) AS observed_at,
               'p' || h AS purchase_id, h AS seq
        FROM range(600) r(h) WHERE hash(h, 1) % 3 < 2 AND h NOT BETWEEN 200 AND 450""")
    con.execute(f"""
        CREATE TABLE events AS SELECT n % 3 AS token_id, at_time + to_minutes(n % 90 - 60) AS timestamp, at_time
        FROM (SELECT n::INTEGER AS n, {hour}((hash(n) % 650)::INTEGER) AS at_time FROM range(900) r(n))""")
    con.execute("INSERT INTO events SELECT token_id, CASE WHEN token_id = 1 THEN 'infinity' END, at_time FROM events")
    expected = rows(
        con,
        """SELECT e.token_id, e.timestamp::VARCHAR, e.at_time, max(o.timestamp), max_by(o.purchase_id, o.timestamp)
           FROM (SELECT DISTINCT * FROM events) e JOIN signals_hourly_observations o
             ON o.token_id = e.token_id AND o.observed_at <= e.at_time AND o.timestamp <= e.timestamp
           GROUP BY ALL ORDER BY ALL""",
    )
    assert bool(expected) == (delay != "9000")
    ours = "token_id, timestamp::VARCHAR, at_time, known_timestamp, purchase_id FROM signals_hourly_known_at('events')"
    assert rows(con, f"SELECT {ours} ORDER BY ALL") == expected


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
    dated = {own.name for own in declared_tables().values() if point_in_time.is_dated(own)}
    assert {"grades", "signals", "signals_hourly", "ohlcv_daily", "investor_grades"} <= dated
    assert dated.isdisjoint({"moonshots", "market_metrics", "sentiments"})


def test_what_a_backfill_brought_is_decided_by_the_declared_delay_not_by_arrival(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """Everything bought at once, the signals a minute before the grades: by arrival no signal has a grade, by what was
    public each has that of its own day."""
    public = "least(observed_at, (date + 1)::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 6 HOUR)"
    con.execute(_OBSERVED.format(arrival="TIMESTAMPTZ '2026-11-01 12:00:00Z'", restated=0))
    con.execute(f"UPDATE grades_observations SET public_at = {public}")
    con.execute("CREATE TABLE signals AS SELECT token_id, date, public_at FROM grades_observations")
    for basis, at_time, decided in (
        ("observed", "TIMESTAMPTZ '2026-11-01 11:59:00Z'", 0),
        ("published", "public_at", 2000),
    ):
        con.execute(f"CREATE OR REPLACE TABLE events AS SELECT token_id, date, {at_time} AS at_time FROM signals")
        found = (
            f"SELECT count(*), count(*) FILTER (known_date = date) FROM grades_known_at('events', basis => '{basis}')"
        )
        assert rows(con, found) == [(decided, decided)]


def test_by_the_published_basis_a_day_is_unknown_until_its_delay_has_passed(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_OBSERVED.format(arrival=LIVE, restated=0))
    con.execute("UPDATE grades_observations SET public_at = (date + 1)::TIMESTAMP AT TIME ZONE 'UTC' + INTERVAL 6 HOUR")
    sql = """WITH mine AS (SELECT 3 AS token_id, DATE '2026-01-05' AS date, TIMESTAMPTZ '2026-01-06 {}Z' AS at_time)
             SELECT known_date::VARCHAR FROM grades_known_at('mine', basis => 'published')"""
    assert rows(con, sql.format("05:59:59")) == [("2026-01-04",)]
    assert rows(con, sql.format("06:00:00")) == [("2026-01-05",)]


def test_another_basis_is_refused_by_name(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE events AS SELECT 1 AS token_id, DATE '2026-01-05' AS date, now() AS at_time")
    with pytest.raises(duckdb.InvalidInputException, match=r"'observed' .* or 'published' .*, not arrival"):
        con.execute("FROM grades_known_at('events', basis => 'arrival')")
