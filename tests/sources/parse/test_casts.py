"""Casts: tolerant of spelling, strict about meaning."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.model import Cast
from sources.parse.casts import arrow_type, cast_column

APRIL = datetime(2025, 4, 10, tzinfo=UTC)
NO_TIMES = (0, -1, 1, 20251301, 20250431, 45757, 202504, 1744243200 * 10, 99999999, 1e300, 10**25, 5 * 10**9)
"""Numbers that mean no day: none, a thirteenth month, spreadsheet serials, what lies before 1980 or after 2100."""

NUMBERS_AND_TIMES = (Cast.INTEGER, Cast.FLOAT, Cast.BOOLEAN, Cast.TIMESTAMP, Cast.DATE)


@pytest.mark.parametrize(
    ("cast", "value", "read"),
    [
        (Cast.INTEGER, 3375, 3375),
        (Cast.INTEGER, "3375", 3375),
        (Cast.INTEGER, " -1 ", -1),
        (Cast.INTEGER, 3.0, 3),
        (Cast.INTEGER, "3.0", 3),
        (Cast.INTEGER, "", None),
        (Cast.FLOAT, 71, 71.0),
        (Cast.FLOAT, "71.05", 71.05),
        (Cast.FLOAT, "1e3", 1000.0),
        (Cast.FLOAT, " ", None),
        (Cast.TEXT, "", ""),
        (Cast.TEXT, "Würde ü", "Würde ü"),
        (Cast.TEXT, 7, "7"),
        (Cast.BOOLEAN, True, True),
        (Cast.BOOLEAN, "False", False),
        (Cast.BOOLEAN, 1, True),
        (Cast.BOOLEAN, "", None),
        (Cast.TIMESTAMP, "2025-04-10T00:00:00.000Z", APRIL),
        (Cast.TIMESTAMP, "2025-04-10", APRIL),
        (Cast.TIMESTAMP, "2025-04-10 00:00:00", APRIL),
        (Cast.TIMESTAMP, "2025-04-10T02:00:00+02:00", APRIL),
        (Cast.TIMESTAMP, 1744243200, APRIL),
        (Cast.TIMESTAMP, 1744243200000, APRIL),
        *(
            (cast, form(1744243200 * unit), day)
            for cast, day in ((Cast.TIMESTAMP, APRIL), (Cast.DATE, date(2025, 4, 10)))
            for unit in (1, 1_000, 1_000_000, 1_000_000_000)
            for form in (int, str, float, lambda number: f"{number}.0")
        ),
        (Cast.DATE, 20250410, date(2025, 4, 10)),
        (Cast.DATE, "20250410", date(2025, 4, 10)),
        (Cast.TIMESTAMP, 20250410, APRIL),
        (Cast.DATE, 1744243199, date(2025, 4, 9)),
        (Cast.DATE, "1612123100000", date(2021, 1, 31)),
        (Cast.TIMESTAMP, "", None),
        (Cast.TIMESTAMP, "0001-01-01T00:00:00Z", None),
        (Cast.DATE, "0000-00-00", None),
        *((cast, word, None) for cast in NUMBERS_AND_TIMES for word in ("NaN", "null", "None", "N/A", "-", " ")),
        (Cast.TEXT, "N/A", "N/A"),
        (Cast.TEXT, Decimal("12345678901234567890.5"), "12345678901234567890.5"),
        (Cast.INTEGER, "9007199254740993.0", 2**53 + 1),
        (Cast.INTEGER, Decimal("9007199254740993"), 2**53 + 1),
        (Cast.DATE, "2025-04-10T00:00:00.000Z", date(2025, 4, 10)),
        (Cast.DATE, "2025-04-10", date(2025, 4, 10)),
        (Cast.DATE, "2025-04-10T00:00:00+02:00", date(2025, 4, 10)),
        (Cast.DATE, "2025-04-10T00:00:00-11:00", date(2025, 4, 10)),
        (Cast.DATE, "2025-04-10T02:00:00+02:00", date(2025, 4, 10)),
        (Cast.DATE, 1744243200, date(2025, 4, 10)),
        (Cast.DATE, "1969-12-31T12:00:00Z", date(1969, 12, 31)),
        (Cast.DATE, "", None),
        (Cast.JSON, [{"level": 1.5}], '[{"level":1.5}]'),
        (Cast.JSON, {}, "{}"),
        (Cast.JSON, "text", '"text"'),
    ],
)
def test_a_value_is_read_alone_and_among_others(cast: Cast, value: Any, read: Any) -> None:
    """A whole column of one spelling and a mixed one must agree."""
    for values in ([value], [value] * 3, [None, value, value]):
        array, bad = cast_column(values, cast)
        assert bad == {}
        assert array.type == arrow_type(cast)
        assert array.to_pylist() == [None if one is None else read for one in values]


@pytest.mark.parametrize(
    ("cast", "value"),
    [
        (Cast.INTEGER, 3.5),
        (Cast.INTEGER, "many"),
        (Cast.INTEGER, True),
        (Cast.INTEGER, [1]),
        (Cast.INTEGER, 2**63),
        (Cast.INTEGER, "9223372036854775808"),
        (Cast.FLOAT, "Buy"),
        (Cast.FLOAT, "inf"),
        (Cast.FLOAT, float("nan")),
        (Cast.FLOAT, False),
        (Cast.FLOAT, "1_000"),
        (Cast.FLOAT, "0x10"),
        (Cast.FLOAT, "٣"),
        (Cast.FLOAT, {"usd": 1}),
        (Cast.FLOAT, 10**400),
        (Cast.FLOAT, "1e400"),
        (Cast.FLOAT, "1e-400"),
        (Cast.FLOAT, Decimal("1e400")),
        (Cast.FLOAT, Decimal("1e-400")),
        (Cast.FLOAT, Decimal("Infinity")),
        (Cast.INTEGER, Decimal("1e999999")),
        (Cast.TEXT, Decimal("Infinity")),
        (Cast.TEXT, {"a": 1}),
        (Cast.TEXT, []),
        (Cast.BOOLEAN, "perhaps"),
        (Cast.BOOLEAN, 2),
        (Cast.TIMESTAMP, "soon"),
        (Cast.TIMESTAMP, True),
        (Cast.TIMESTAMP, "2025-13-01"),
        (Cast.TIMESTAMP, 10**30),
        (Cast.DATE, "10/04/2025"),
        (Cast.DATE, "0000-01-01"),
        (Cast.TIMESTAMP, "0000-01-01T00:00:00Z"),
        (Cast.DATE, []),
        (Cast.DATE, "2025-04-10T23:30:00-01:00"),
        (Cast.DATE, "2025-04-10T01:00:00+02:00"),
        *((cast, number) for cast in (Cast.DATE, Cast.TIMESTAMP) for number in NO_TIMES),
        *((cast, str(number)) for cast in (Cast.DATE, Cast.TIMESTAMP) for number in NO_TIMES),
    ],
)
def test_a_value_that_no_cast_bridges_is_bad_and_never_zero(cast: Cast, value: Any) -> None:
    for values in ([value], [value, None], [None, value, "" if cast is not Cast.TEXT else "x"]):
        array, bad = cast_column(values, cast)
        assert list(bad) == [values.index(value)]
        assert array[values.index(value)].as_py() is None


@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.booleans(), st.text(max_size=8)), max_size=20))
def test_no_json_value_breaks_a_column(values: list[Any]) -> None:
    """Good values next to bad ones are read as if alone."""
    for cast in Cast:
        array, bad = cast_column(values, cast)
        assert len(array) == len(values)
        for number, value in enumerate(values):
            alone, wrong = cast_column([value], cast)
            assert bool(wrong) == (number in bad)
            assert str(array[number].as_py()) == str(alone[0].as_py())
