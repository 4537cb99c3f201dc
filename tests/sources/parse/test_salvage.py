"""A page is kept whatever its spelling: charsets, forgivable JSON, numbers, layouts. No value is ever a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import registry
from sources.model import Dataset, Layout
from sources.parse.envelope import as_utf8
from sources.parse.json_text import Ambiguous, read_json, written
from sources.parse.rows import ParsedBody, parse

RECEIVED = datetime(2025, 11, 1, 9, 30, tzinfo=UTC)
SIGNALS = registry.dataset("trading-signals")
FIRST = date(2025, 10, 1).toordinal() - 719163
CONTEXT = {"keys": ["3306", "3375"], "first": FIRST, "last": FIRST + 4}
ROW: dict[str, Any] = {
    "TOKEN_ID": 3375,
    "TOKEN_NAME": "Café",
    "TOKEN_SYMBOL": "BTC",
    "DATE": "2025-10-01",
    "TRADING_SIGNAL": 1,
}
ROW |= {"TOKEN_TREND": -1, "TRADING_SIGNALS_RETURNS": 10.5, "HOLDING_RETURNS": 3.25}


def text(*rows: Any) -> str:
    return json.dumps({"success": True, "data": list(rows)}, ensure_ascii=False)


def read(body: bytes | str, content_type: str = "application/json", dataset: Dataset = SIGNALS) -> ParsedBody:
    sent = body if isinstance(body, bytes) else body.encode()
    return parse(dataset, CONTEXT, RECEIVED, 200, content_type, sent)


def only(parsed: ParsedBody) -> dict[str, Any]:
    assert (parsed.envelope, parsed.quarantined) == ("ok", ())
    (row,) = parsed.table.to_pylist()
    return dict(row)


CHARSETS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
DECLARED = ("iso-8859-1", "windows-1252", "ISO-8859-15", "utf-16", "UTF-8", "cp437", "iso-2022-jp-2", "hz")


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_body_in_any_unicode_form_is_read_whatever_is_declared(charset: str) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "text/plain; charset=latin-1"):
        assert only(read(text(ROW).encode(charset), content_type))["token_name"] == "Café"


@pytest.mark.parametrize("charset", DECLARED)
def test_a_body_in_a_declared_charset_is_read_by_it(charset: str) -> None:
    name = "日本" if charset in ("hz", "iso-2022-jp-2") else "Café"
    parsed = read(text({**ROW, "TOKEN_NAME": name}).encode(charset), f'application/json; Charset="{charset}"')
    assert only(parsed)["token_name"] == name
    assert bool(parsed.notes) == (charset != "UTF-8")


@pytest.mark.parametrize("declared", ["", "; charset=utf-8", "; charset=ascii", "; charset=nonsense", "; charset=idna"])
def test_bytes_that_no_charset_explains_cost_a_character_and_no_row(declared: str) -> None:
    parsed = read(text(ROW).encode("latin-1"), f"application/json{declared}")
    assert only(parsed)["token_name"] == "Caf\ufffd"
    assert "bytes that are no UTF-8 became U+FFFD" in parsed.notes


@given(st.binary(max_size=40), st.text(max_size=30))
def test_no_bytes_and_no_content_type_break_the_charset(body: bytes, content_type: str) -> None:
    for declared in (content_type, f"a/b; charset={content_type}", "a/b; charset=utf-16", "a/b; charset=shift_jis"):
        as_utf8(body, declared)[0].decode()


FORGIVEN: dict[str, Callable[[str], str]] = {
    "trailing zero bytes": lambda body: f"{body}\0\0",
    "trailing markup": lambda body: f"{body}\n<!-- served by cache 7 -->",
    "a second document": lambda body: f'{body}\n{{"took": 3}}',
    "a bracket too many": lambda body: f"{body}}}",
    "a raw line break": lambda body: body.replace("Café", "Ca\nfé"),
    "a raw escape": lambda body: body.replace("Café", "Ca\x1bfé"),
    "a raw zero byte": lambda body: body.replace("Café", "Ca\0fé"),
    "NaN": lambda body: body.replace("3.25", "NaN"),
    "the same name twice, alike": lambda body: body.replace('"success": true', '"success": true, "success": true'),
    "a lone low surrogate": lambda body: body.replace("Café", "Caf\\udc00"),
    "a lone high surrogate": lambda body: body.replace("Café", "\\ud83dCaf"),
}


@pytest.mark.parametrize("fault", FORGIVEN)
def test_a_forgivable_fault_keeps_the_page_and_is_noted(fault: str) -> None:
    parsed = read(FORGIVEN[fault](text(ROW, {**ROW, "TOKEN_ID": 3306})))
    assert (parsed.envelope, parsed.table.num_rows, parsed.quarantined) == ("ok", 2, ())
    assert parsed.notes


def test_a_pair_of_surrogates_is_one_character_and_needs_no_note() -> None:
    parsed = read(text(ROW).replace("Café", "\\ud83d\\ude00"))
    assert (only(parsed)["token_name"], parsed.notes) == ("😀", ())


@pytest.mark.parametrize("body", ['{"success": true, "data": [', "{} x", "<html>{}</html>", "7 8", "", "\0"])
def test_what_is_no_json_document_or_has_no_rows_is_a_failed_delivery(body: str) -> None:
    assert read(body).envelope == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        text(ROW)[:-1] + ', "data": []}',
        '{"data": [], ' + text(ROW)[1:],
        '{"success": true, "success": 1, "data": []}',
        '{"dat\\u0061": [], ' + text(ROW)[1:],
        '{"data" : [], ' + text(ROW)[1:],
    ],
)
def test_a_name_that_is_there_twice_in_the_envelope_is_a_failed_delivery(body: str) -> None:
    parsed = read(body)
    assert (parsed.envelope, parsed.table.num_rows) == ("malformed", 0)
    assert "twice" in parsed.message


@pytest.mark.parametrize("place", ['"HOLDING_RETURNS": 3.25', '"TOKEN_NAME": "Café"'])
def test_a_name_that_is_there_twice_in_a_row_costs_that_row(place: str) -> None:
    second = json.dumps({**ROW, "TOKEN_ID": 3306}, ensure_ascii=False)
    body = text(ROW)[:-2] + ", " + second.replace(place, f'{place}, {place.split(":")[0]}: "other"') + "]}"
    parsed = read(body)
    assert parsed.table["token_id"].to_pylist() == [3375]
    assert "twice, with different values" in parsed.quarantined[0].reason


def test_a_name_whose_values_differ_only_by_type_is_ambiguous() -> None:
    assert isinstance(read_json(b'{"a": 1, "a": true}').value, Ambiguous)
    assert read_json(b'{"a": {"b": 1, "b": 2}}').ambiguous
    assert not read_json(b'{"a": [1], "a": [1]}').ambiguous


@pytest.mark.parametrize("layout", [Layout.ROWS, Layout.ROW, Layout.COLUMNS])
def test_an_object_where_a_list_was_due_is_read_only_as_declared(layout: Layout) -> None:
    sent = {
        Layout.ROWS: [ROW],
        Layout.ROW: ROW,
        Layout.COLUMNS: {name: [value] for name, value in ROW.items()},
    }
    for form, data in sent.items():
        parsed = read(json.dumps({"success": True, "data": data}), dataset=replace(SIGNALS, layout=layout))
        if form in (Layout.ROWS, layout):
            assert only(parsed)["holding_returns"] == 3.25
        else:
            assert (parsed.envelope, parsed.table.num_rows) == ("malformed", 0)


def test_columns_of_different_lengths_are_a_failed_delivery() -> None:
    columns = {name: [value] for name, value in ROW.items()} | {"DATE": ["2025-10-01", "2025-10-02"]}
    parsed = read(json.dumps({"success": True, "data": columns}), dataset=replace(SIGNALS, layout=Layout.COLUMNS))
    assert "differ in length" in parsed.message


def test_a_keyed_row_that_names_another_key_is_quarantined() -> None:
    body = b'{"bitcoin": {"coin": "ethereum", "usd": 1}, "ethereum": {"usd": 2}}'
    parsed = parse(registry.dataset("coingecko-price"), {}, RECEIVED, 200, "", body)
    assert parsed.table["price_usd"].to_pylist() == [2.0]
    assert [(row.number, "coin" in row.reason) for row in parsed.quarantined] == [(0, True)]


def test_a_key_that_lost_a_character_costs_its_row() -> None:
    body = b'{"b\\ud800": {"usd": 1}, "ethereum": {"usd": 2}}'
    parsed = parse(registry.dataset("coingecko-price"), {}, RECEIVED, 200, "", body)
    assert parsed.table["coin"].to_pylist() == ["ethereum"]


LONG = (
    *("9007199254740993", "-9223372036854775809", "123456789012345678901234567890", "0.1234567890123456789"),
    *("1234567890.12345678901", "1e400", "1e-400", "5e-324", "3.141592653589793238462643383279", "1" * 4500),
)


@pytest.mark.parametrize("number", LONG)
def test_no_number_loses_a_digit_in_extras(number: str) -> None:
    parsed = read(text(ROW)[:-3] + f', "SUPPLY": {number}}}]}}')
    extras = only(parsed)["extras"]
    with duckdb.connect() as con:
        ((value,),) = con.execute("SELECT ?::JSON ->> '$.SUPPLY'", [extras]).fetchall()
    assert Decimal(value) == Decimal(number)


@pytest.mark.parametrize("number", LONG)
def test_no_number_loses_a_digit_in_its_column(number: str) -> None:
    """Rounded in the column, exact beside it; or, too large and too small for a double, quarantined."""
    for literal in (number, f'"{number}"'):
        parsed = read(text(ROW).replace("3.25", literal))
        if not parsed.table.num_rows:
            assert float(number) in (0, float("inf"))
            assert number.upper().replace("E", "") in parsed.quarantined[0].raw.upper().replace("E", "").replace(
                "+", ""
            )
            continue
        row = only(parsed)
        assert row["holding_returns"] == float(number)
        if Decimal(repr(row["holding_returns"])) != Decimal(number):
            assert Decimal(str(json.loads(row["extras"])["HOLDING_RETURNS"])) == Decimal(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_any_number_written_is_the_number_read(number: Decimal) -> None:
    literal = format(number, "f") if abs(number.adjusted()) < 400 else str(number)
    value = read_json(f'{{"a": [{literal}]}}'.encode()).value["a"][0]
    assert Decimal(str(value)) == Decimal(literal)
    assert Decimal(str(json.loads(written(value), parse_float=str))) == Decimal(literal)


def test_rows_that_were_not_asked_for_are_quarantined() -> None:
    strangers = [{"DATE": "2025-09-30"}, {"DATE": "2025-10-06"}, {"TOKEN_ID": 7}, {"DATE": "1970-01-01"}]
    parsed = read(text(ROW, *({**ROW, **other} for other in strangers)))
    assert (parsed.table.num_rows, parsed.rows_in_body) == (1, 5)
    assert [row.number for row in parsed.quarantined] == [1, 2, 3, 4]


def test_a_page_of_nothing_that_was_asked_for_is_a_failed_delivery() -> None:
    parsed = read(text({**ROW, "DATE": "2026-10-01"}))
    assert (parsed.envelope, parsed.table.num_rows) == ("malformed", 0)


def test_an_hourly_row_of_the_asked_days_is_kept_though_its_hour_was_not_asked_for() -> None:
    bars = registry.dataset("hourly-ohlcv")
    hour = FIRST * 24
    asked = {"keys": ["3375"], "first": hour + 5, "last": hour + 7}
    bar = {"TOKEN_ID": 3375, "TOKEN_NAME": "B", "TOKEN_SYMBOL": "B", "OPEN": 1}
    times = ["2025-10-01T00:00:00Z", "2025-10-01T23:00:00Z", "2025-10-02T00:00:00Z"]
    sent = json.dumps({"success": True, "data": [{**bar, "TIMESTAMP": time} for time in times]}).encode()
    parsed = parse(bars, asked, RECEIVED, 200, "", sent)
    assert (parsed.table.num_rows, [row.number for row in parsed.quarantined]) == (2, [2])


def test_a_row_of_a_listing_that_is_dated_in_the_future_is_quarantined() -> None:
    listing = registry.dataset("hourly-trading-signals")
    row = {"TOKEN_ID": 3375, "TOKEN_NAME": "B", "TOKEN_SYMBOL": "B", "CLOSE": 1, "SIGNAL": "1", "POSITION": "LONG"}
    times = ["2025-11-01T09:00:00Z", "2025-11-03T10:00:00Z", "2034-03-04T10:00:00Z"]
    sent = json.dumps({"success": True, "data": [{**row, "TIMESTAMP": time} for time in times]}).encode()
    parsed = parse(listing, {"keys": ["3375"], "first": 0, "last": 1}, RECEIVED, 200, "", sent)
    assert [row.number for row in parsed.quarantined] == [1, 2]


TRUTH = {
    (token, day): {"TRADING_SIGNAL": day - 2, "HOLDING_RETURNS": token / 7 + day, "TOKEN_NAME": f"Tökén {token}"}
    for token in (3306, 3375)
    for day in range(5)
}


def _day(number: int) -> datetime:
    return datetime(2025, 10, 1, tzinfo=UTC) + timedelta(days=number)


def _local(number: int, hours: int) -> str:
    return f"{_day(number):%Y-%m-%dT00:00:00}{hours:+03d}:00"


DATES: tuple[Callable[[int], Any], ...] = (
    lambda n: f"{_day(n):%Y-%m-%d}",
    lambda n: f"{_day(n):%Y-%m-%dT%H:%M:%S.000Z}",
    lambda n: int(f"{_day(n):%Y%m%d}"),
    lambda n: f"{_day(n):%Y%m%d}",
    lambda n: int(_day(n).timestamp()),
    lambda n: str(int(_day(n).timestamp() * 1000)),
    lambda n: _day(n).timestamp() * 1000,
    lambda n: int(_day(n).timestamp()) * 10**9,
    lambda n: _local(n, 2),
    lambda n: _local(n, -11),
    lambda n: (_day(n) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    lambda n: (_day(n) - timedelta(hours=4)).strftime("%Y-%m-%dT%H:%M:%S-04:00"),
    lambda n: f"{_day(n):%d/%m/%Y}",
    lambda n: f"{_day(n):%Y%m%d%H}",
    lambda n: _day(n).toordinal() - 693594,
    lambda n: n,
    lambda n: None,
)
NUMBERS: tuple[Callable[[Any], Any], ...] = (
    lambda v: v,
    str,
    lambda v: f" {v} ",
    lambda v: float(v),
    lambda v: "N/A",
    lambda v: float("nan"),
    lambda v: float("inf"),
    lambda v: [v],
    lambda v: {"usd": v},
    lambda v: True if v == 1 else v,
    lambda v: f"{v}%",
)
BODIES: tuple[Callable[[str], bytes], ...] = (
    str.encode,
    lambda body: body.encode("utf-16"),
    lambda body: body.encode("latin-1"),
    lambda body: body.encode() + b"\0",
    lambda body: body.replace("Tö", "T\t").encode(),
    lambda body: body.replace("Tö", "T\\ud800").encode(),
    lambda body: body.replace('"data"', '"data": [], "data"').encode(),
    lambda body: body.replace("true", '"TRUE"').encode(),
    lambda body: body.encode()[:-30],
    lambda body: body.replace("[", "{").replace("]", "}").encode(),
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_mutated_page_gives_true_rows_or_none(data: st.DataObject) -> None:
    """Whatever a seller's bad day does to a page: rows ⊆ truth, or quarantine, or a failed delivery; no wrong value."""
    rows = []
    for (token, day), values in TRUTH.items():
        row = {"TOKEN_ID": token, "TOKEN_SYMBOL": "T", "DATE": data.draw(st.sampled_from(DATES))(day), **values}
        for name in data.draw(st.sets(st.sampled_from(["TRADING_SIGNAL", "HOLDING_RETURNS"]), max_size=2)):
            row[name] = data.draw(st.sampled_from(NUMBERS))(values[name])
        rows.append(row)
    body = data.draw(st.sampled_from(BODIES))(json.dumps({"success": True, "data": rows}, ensure_ascii=False))
    parsed = read(body, data.draw(st.sampled_from(["application/json", "a/b; charset=iso-8859-1", ""])))
    for row in parsed.table.to_pylist():
        truth = TRUTH[row["token_id"], (row["date"] - date(2025, 10, 1)).days]
        assert row["trading_signal"] in (truth["TRADING_SIGNAL"], None)
        assert row["holding_returns"] in (truth["HOLDING_RETURNS"], None)
        assert row["token_name"].replace("\ufffd", "").replace("ö", "").replace("é", "").replace("\t", "").replace(
            "T", ""
        ) == str(truth["TOKEN_NAME"]).replace("ö", "").replace("é", "").replace("T", "")
    assert parsed.table.num_rows + len(parsed.quarantined) == parsed.rows_in_body
