"""Sixteen paid bodies, each with what has to become of it: rows, quarantine, a note, or a failed delivery."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sources import registry
from sources.parse.rows import ParsedBody, parse
from tests.paths import VECTORS

RECEIVED = datetime(2025, 11, 1, 9, 30, tzinfo=UTC)
BODIES = {each["id"]: each for each in json.loads((VECTORS / "bodies.json").read_text())}
DAY = 86400


def context(asked: dict[str, str]) -> dict[str, Any]:
    """The demand that the purchase of such a request states."""
    first, last = (date.fromisoformat(asked[name]).toordinal() - 719163 for name in ("startDate", "endDate"))
    keys = asked["token_id"].split(",")
    return {"dataset": "trading-signals", "keys": keys, "first": first, "last": last, "page": int(asked["page"])}


def read(name: str) -> ParsedBody:
    vector = BODIES[name]
    body = base64.b64decode(vector["body_base64"])
    dataset = registry.dataset(vector["dataset"])
    return parse(dataset, context(vector["asked"]), RECEIVED, 200, vector["content_type"], body)


def days(first: str, count: int) -> list[date]:
    return [date.fromisoformat(first) + timedelta(days=number) for number in range(count)]


def rows(parsed: ParsedBody) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parsed.table.to_pylist()
    return found


def all_ten(parsed: ParsedBody) -> None:
    assert (parsed.envelope, parsed.quarantined) == ("ok", ())
    assert [row["date"] for row in rows(parsed)] == days("2025-10-01", 10)
    assert [row["trading_signals_returns"] for row in rows(parsed)] == [10.5 + number for number in range(10)]


def failed(parsed: ParsedBody) -> None:
    assert parsed.envelope == "malformed"
    assert parsed.table.num_rows == 0
    assert parsed.message
    assert not parsed.drift


def empty(parsed: ParsedBody) -> None:
    assert (parsed.envelope, parsed.table.num_rows, parsed.rows_in_body) == ("ok", 0, 0)
    assert parsed.cells(registry.dataset("trading-signals")) == ()


def half(parsed: ParsedBody) -> None:
    assert (parsed.envelope, parsed.rows_in_body) == ("ok", 5)
    assert [row["date"] for row in rows(parsed)] == days("2025-10-01", 5)


def one_token(parsed: ParsedBody) -> None:
    assert {key for key, _ in parsed.cells(registry.dataset("trading-signals"))} == {"3375"}


def replaced_character(parsed: ParsedBody) -> None:
    all_ten(parsed)
    assert rows(parsed)[0]["token_name"] == "\ufffd"
    assert any("surrogate" in note for note in parsed.notes)


def declared_charset(parsed: ParsedBody) -> None:
    assert [row["token_name"] for row in rows(parsed)] == ["Café"]
    assert any("iso8859-1" in note for note in parsed.notes)


def tab(parsed: ParsedBody) -> None:
    all_ten(parsed)
    assert rows(parsed)[0]["token_name"] == "Bit\tcoin"
    assert any("control character" in note for note in parsed.notes)


def one_row_lost(parsed: ParsedBody) -> None:
    assert (parsed.envelope, parsed.table.num_rows, parsed.rows_in_body) == ("ok", 9, 10)
    assert [(row.number, "not a finite number" in row.reason) for row in parsed.quarantined] == [(0, True)]
    assert "1E+400" in parsed.quarantined[0].raw


def one_value_null(parsed: ParsedBody) -> None:
    all_ten(parsed)
    assert [row["holding_returns"] for row in rows(parsed)] == [None] + [3.25] * 9
    assert any("NaN" in note for note in parsed.notes)


def the_sellers_day(parsed: ParsedBody) -> None:
    assert [row["date"] for row in rows(parsed)] == [date(2025, 10, 2)]


def eleventh_outside(parsed: ParsedBody) -> None:
    assert [row["date"] for row in rows(parsed)] == days("2025-10-01", 10)
    assert [(row.number, "outside what was asked" in row.reason) for row in parsed.quarantined] == [(10, True)]


def named_twice(parsed: ParsedBody) -> None:
    failed(parsed)
    assert "data twice" in parsed.message


def every_digit(parsed: ParsedBody) -> None:
    assert [row["extras"] for row in rows(parsed)] == ['{"MARKET_CAP":9007199254740993}']


OUTCOMES: dict[str, Callable[[ParsedBody], None]] = {
    "empty-closed-window": empty,
    "half-of-length": half,
    "one-token-missing": one_token,
    "lone-surrogate": replaced_character,
    "latin-1-declared": declared_charset,
    "raw-tab-in-text": tab,
    "too-large-a-number": one_row_lost,
    "nan-in-one-column": one_value_null,
    "columns-not-rows": failed,
    "keyed-by-id": failed,
    "epoch-ms-as-text": all_ten,
    "offset-midnight": the_sellers_day,
    "outside-the-window": eleventh_outside,
    "duplicate-data-key": named_twice,
    "success-as-text": all_ten,
    "integer-beyond-2-53": every_digit,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_paid_body_becomes_what_it_has_to(name: str) -> None:
    OUTCOMES[name](read(name))
