"""Every query of docs/data.md on a bad fortnight's data, from three time zones: right, and never a row too many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.messy_market import (
    BACKFILLED,
    DAYS,
    HOLE,
    HOUR,
    MISSED,
    NEWEST,
    TOKENS,
    at_call,
    at_end,
    build,
    close_of,
    corrected,
    price_of,
    signal_of,
)
from tests.warehouse.test_data_docs import STATEMENTS, question

ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
HISTORY = [number for number in range(NEWEST) if number != HOLE]
"""Days that the history has."""


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    home: Path = build(tmp_path_factory.mktemp("messy"))
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as own:
        yield own


def ask(con: duckdb.DuckDBPyConnection, sql: str, zone: str = "UTC") -> list[tuple[Any, ...]]:
    """The rows, times in UTC however the session shows them."""
    con.execute(f"SET TimeZone = '{zone}'")
    return [tuple(map(in_utc, row)) for row in con.execute(sql).fetchall()]


def in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def answers(con: duckdb.DuckDBPyConnection, words: str) -> list[tuple[Any, ...]]:
    """The answer, which is the same in every zone."""
    found = [ask(con, question(words), zone) for zone in ZONES]
    assert found[0] == found[1] == found[2]
    return found[0]


@pytest.mark.parametrize("sql", [sql for _, sql in STATEMENTS], ids=[sql.split("\n")[0][:50] for _, sql in STATEMENTS])
def test_every_query_answers_the_same_in_every_time_zone(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    found = [sorted(map(repr, ask(con, sql.removesuffix(";"), zone))) for zone in ZONES]
    assert found[0]
    assert found[0] == found[1] == found[2]


def symbol(token: int) -> str:
    return TOKENS[token][1]


def signals(token: int) -> list[int]:
    """Its signals as they are now; Ethereum's last was restated."""
    told = [signal_of(token, number) for number in range(NEWEST)]
    return [*told[:-1], 1] if token == 3306 else told


def test_who_turned_bullish(con: duckdb.DuckDBPyConnection) -> None:
    turned = [
        (symbol(token), DAYS[number].date(), now, before)
        for token in TOKENS
        for number, (before, now) in enumerate(zip(signals(token), signals(token)[1:], strict=False), start=1)
        if number >= NEWEST - 2 and now == 1 and before < 1
    ]
    assert turned
    assert sorted(answers(con, "Who turned bullish")) == sorted(turned)


def test_the_best_grades_are_of_the_newest_day_and_say_so(con: duckdb.DuckDBPyConnection) -> None:
    best = sorted(((symbol(token), at_call(token, NEWEST), "Buy") for token in TOKENS), key=lambda row: -row[1])
    assert answers(con, "The ten best grades") == best
    newest = "SELECT DISTINCT is_final, dataset FROM grades WHERE date = (SELECT max(date) FROM grades)"
    assert ask(con, newest) == [(False, "tm-grade")]


def test_the_change_in_24_hours_is_that_of_two_snapshots(con: duckdb.DuckDBPyConnection) -> None:
    """Not of a snapshot and the end of the day before it, which lies a quarter of a day back."""
    found = {name: rest for name, *rest in answers(con, "How grades changed in 24 hours")}
    assert set(found) == {"BTC", "ETH", "SOL"}
    for token in TOKENS:
        grade, told, counted = found[symbol(token)]
        change = 100 * (at_call(token, NEWEST) / at_call(token, NEWEST - 1) - 1)
        mixed = 100 * (at_call(token, NEWEST) / at_end(token, NEWEST - 1) - 1)
        assert (grade, told, counted) == (at_call(token, NEWEST), pytest.approx(change), pytest.approx(change))
        assert abs(mixed - change) > 1


def test_a_missed_snapshot_leaves_the_change_unknown(con: duckdb.DuckDBPyConnection) -> None:
    """The day after the missed one, as if it were the newest."""
    sql = question("How grades changed in 24 hours").replace(
        "grades_snapshots", f"(FROM grades_snapshots WHERE date <= '{DAYS[MISSED + 1]:%Y-%m-%d}')"
    )
    assert {row[3] for row in ask(con, sql)} == {None}


def test_the_change_from_day_to_day_is_that_of_two_ends(con: duckdb.DuckDBPyConnection) -> None:
    expected = []
    for token in TOKENS:
        for number in HISTORY:
            before = corrected(token, number - 1) if number - 1 in HISTORY else None
            change = None if before is None else pytest.approx(100 * (corrected(token, number) / before - 1))
            expected.append((symbol(token), DAYS[number].date(), corrected(token, number), True, change))
        expected.append((symbol(token), DAYS[NEWEST].date(), at_call(token, NEWEST), False, None))
    found = answers(con, "Grades from one day's end")
    assert found == sorted(expected, key=lambda row: row[:2])


def test_signals_against_holding(con: duckdb.DuckDBPyConnection) -> None:
    last = float(NEWEST - 1)
    expected = sorted(((symbol(token), last + token % 10, last) for token in TOKENS), key=lambda row: -row[1])
    assert answers(con, "Signals against holding") == expected


def test_new_and_closed_moonshots(con: duckdb.DuckDBPyConnection) -> None:
    assert {row[0] for row in answers(con, "New moonshots")} == {"NEW", "SHUT"}


def test_grade_against_price_has_a_row_per_token_and_day(con: duckdb.DuckDBPyConnection) -> None:
    expected = [
        (symbol(token), DAYS[number].date(), corrected(token, number), close_of(token, number))
        for token in TOKENS
        for number in HISTORY
    ]
    assert answers(con, "Grade against price") == sorted(expected)


def test_hours_of_the_newest_day_are_utc_hours(con: duckdb.DuckDBPyConnection) -> None:
    """Hours from 00:00 on: in New York they lie in the evening before."""
    found = answers(con, "hours with `AT TIME ZONE")
    assert [row[1] for row in found] == [f"{DAYS[NEWEST] + HOUR * hour:%Y-%m-%d %H:%M}" for hour in range(6)]


def nested(con: duckdb.DuckDBPyConnection, start: str) -> list[tuple[Any, ...]]:
    [sql] = [sql for _, sql in STATEMENTS if sql.startswith(start)]
    return ask(con, sql.removesuffix(";"))


def test_levels_correlations_and_scenarios_have_one_snapshot_however_many_there_were(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assert ask(con, "SELECT count(DISTINCT date) FROM resistance_support_levels") == [(4,)]
    levels = nested(con, "SELECT l.token_symbol")
    prices = {symbol(token): price_of(token, NEWEST) for token in TOKENS}
    assert {row[0]: (row[1], row[3]) for row in levels} == {
        name: (pytest.approx(price * 1.01), price) for name, price in prices.items()
    }
    assert len(levels) == 3
    pairs = nested(con, "SELECT token_symbol, with_token")
    assert pairs == [(name, f"WITH{NEWEST}", 0.5) for name in ("BTC", "ETH", "SOL")]
    scenarios = nested(con, "SELECT token_symbol, scenario")
    assert [row[0] for row in scenarios] == ["BTC", "ETH", "SOL"]
    assert {row[3] for row in scenarios} == {float(NEWEST)}


def known_when_backfilled(token: int, number: int) -> tuple[int, float]:
    """The newest grade that had arrived with the signals' backfill: snapshots, and the first part of the history."""
    if number < HOLE:
        return number, at_end(token, number)
    return (number, at_call(token, number)) if number != MISSED else (number - 1, at_call(token, number - 1))


def back_test() -> list[tuple[Any, ...]]:
    expected = []
    for token in TOKENS:
        for number in range(NEWEST):
            known, value = known_when_backfilled(token, number)
            day, known_day = DAYS[number].date(), DAYS[known].date()
            expected.append((symbol(token), day, signal_of(token, number), known_day, value))
    return sorted(expected)


def test_the_back_test_knows_what_had_arrived(con: duckdb.DuckDBPyConnection) -> None:
    assert answers(con, "A back-test") == back_test()


def test_the_back_test_in_plain_sql_says_the_same_attached(con: duckdb.DuckDBPyConnection) -> None:
    assert answers(con, "to ask. Attached under another name") == back_test()


def test_each_basis_says_how_many_signals_it_decides(con: duckdb.DuckDBPyConnection) -> None:
    """By the declared publishing delay each day's grade was public when its signal was; by arrival, not the missed
    day's."""
    every = 3 * NEWEST
    assert answers(con, "Say with every back-test") == [
        ("observed", every, every, every - 3),
        ("published", every, every, every),
    ]


def test_as_of_yesterday_is_a_condition(con: duckdb.DuckDBPyConnection) -> None:
    sql, macro = question("any tool, on the file itself"), "grades_as_of(now() - INTERVAL 24 HOUR)"
    plain = f"SELECT * EXCLUDE (valid_from, valid_to) FROM ({sql})"
    for one, other in ((plain, f"FROM {macro}"), (f"FROM {macro}", plain)):
        assert ask(con, f"SELECT count(*) FROM ({one} EXCEPT {other})") == [(0,)]


@pytest.mark.parametrize("number", range(NEWEST + 1))
def test_grades_at_any_noon_are_the_history_as_it_was_known_and_newer_snapshots(
    con: duckdb.DuckDBPyConnection, number: int
) -> None:
    noon = DAYS[number] + 12 * HOUR
    if noon < BACKFILLED:
        days = [each for each in range(number + 1) if each != MISSED]
        expected = [(token, DAYS[each].date(), at_call(token, each), False) for token in TOKENS for each in days]
    else:
        expected = [(token, DAYS[each].date(), corrected(token, each), True) for token in TOKENS for each in HISTORY]
        expected += [(token, DAYS[NEWEST].date(), at_call(token, NEWEST), False) for token in TOKENS]
    sql = f"SELECT token_id, date, tm_grade, is_final FROM grades_as_of('{noon:%Y-%m-%d %H:%M}') ORDER BY ALL"
    assert ask(con, sql) == sorted(expected)


def test_the_two_series_stand_apart_each_value_with_its_time(con: duckdb.DuckDBPyConnection) -> None:
    assert ask(con, "SELECT DISTINCT dataset FROM grades_snapshots") == [("tm-grade",)]
    times = "SELECT DISTINCT value_at = observed_at, is_final FROM grades_snapshots"
    assert ask(con, times) == [(True, True)]
    ends = "SELECT DISTINCT value_at - (date::TIMESTAMP AT TIME ZONE 'UTC') FROM grades WHERE is_final"
    assert [row[0].total_seconds() for row in ask(con, ends)] == [86_400]
    assert ask(con, "SELECT count(*) FROM grades_snapshots") == [(3 * NEWEST,)]
