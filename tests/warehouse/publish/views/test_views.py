"""The views and macros that analysts ask: the same answers from every time zone, right after every restatement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.sample_market import DAYS, HOUR
from warehouse.publish.views import catalog

ZONES = ("UTC", "America/New_York", "Asia/Tokyo")


class Session:
    """An analyst's connection, which may live in any time zone."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def __call__(self, sql: str, *values: object, zone: str = "UTC") -> list[tuple[Any, ...]]:
        self.con.execute(f"SET TimeZone = '{zone}'")
        return self.con.execute(sql, list(values)).fetchall()


@pytest.fixture(scope="module")
def ask(market_home: Path) -> Iterator[Session]:
    with duckdb.connect(str(market_home / "published" / "warehouse.duckdb"), read_only=True) as con:
        yield Session(con)


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_months_of_costs_are_utc_in_every_session(ask: Session, zone: str) -> None:
    """Purchases at 00:30, the evening before in New York, and at 23:30, the next day in Tokyo."""
    days = ask("SELECT day::VARCHAR, calls_paid FROM cost_by_day", zone=zone)
    assert days == ask("SELECT strftime(created_at, '%Y-%m-%d'), count(*) FROM costs GROUP BY 1 ORDER BY 1")
    months = ask("SELECT strftime(month, '%Y-%m'), calls_paid FROM cost_by_month", zone=zone)
    assert months == ask("SELECT strftime(created_at, '%Y-%m'), count(*) FROM costs GROUP BY 1 ORDER BY 1")


@pytest.mark.parametrize("zone", ZONES)
def test_an_hours_key_names_the_utc_hour_in_every_session(ask: Session, zone: str) -> None:
    keys = [f"3375/{DAYS[3] + hour * HOUR:%Y-%m-%dT%H:%M:%SZ}" for hour in range(24)]
    rows = ask("SELECT row_key, dataset FROM provenance('signals_hourly', '3375')", zone=zone)
    assert rows == [(key, "hourly-trading-signals") for key in keys]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("written", ["{:%Y-%m-%d %H:%M}", "{:%Y-%m-%dT%H:%M:%SZ}", "{:%Y-%m-%d %H:%M}+00:00"])
def test_a_time_without_a_zone_is_utc_in_every_session(ask: Session, zone: str, written: str) -> None:
    """The third day's grades came at 06:15: known at 06:30, not at 06:00. Text, TIMESTAMP and TIMESTAMPTZ alike."""
    for minutes, rows in ((0, 0), (30, 3)):
        at = written.format(DAYS[2] + 6 * HOUR + HOUR * minutes / 60)
        count = "SELECT count(*) FROM grades_as_of({}) WHERE date = ?"
        forms = [f"'{at}'", f"TIMESTAMP '{at}'"] + [f"TIMESTAMPTZ '{at}'"] * ("+" in at or "Z" in at)
        for form in forms:
            assert ask(count.format(form), DAYS[2].date(), zone=zone) == [(rows,)], form
    assert ask("SELECT count(*) FROM grades_as_of(DATE '2000-01-01')", zone=zone) == [(0,)]


@pytest.mark.parametrize("table", ["grades", "signals", "moonshots", "ohlcv_daily", "signals_hourly"])
def test_as_of_any_moment_is_the_latest_version_that_had_arrived(ask: Session, table: str) -> None:
    """By the definition, at every instant at which anything arrived and just before."""
    key = ", ".join(f'"{name}"' for name in catalog.table(table).natural_key)
    for (at,) in ask(f"SELECT DISTINCT observed_at FROM {table}_observations"):
        for moment in (at, at - HOUR / 3600):
            known = f"""SELECT * FROM {table}_observations WHERE observed_at <= ?
                        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY observed_at DESC, seq DESC) = 1"""
            assert ask(f"FROM {table}_as_of(?) ORDER BY ALL", moment) == ask(f"FROM ({known}) ORDER BY ALL", moment)
