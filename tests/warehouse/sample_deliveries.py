"""Sample deliveries of a few days: restated rows, two datasets of one table, listings that grow at their top, failed
pages, unreadable rows, a new column."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces

HOUR = timedelta(hours=1)


def story() -> MemoryLedger:
    """Deliveries 1 to 14, in the order in which they were observed."""
    books = MemoryLedger()
    days = T0 - DAY * 10
    [first] = pieces("tm-grade-history", ["1", "2", "3"], days, T0, T0)
    first = replace(first, group=replace(first.group, limit=20))
    rows = [grade(token, days + DAY * n) for n in range(10, -1, -1) for token in (1, 2, 3)]
    books.deliver(first, body(*rows[:20]), T0)
    books.deliver(replace(first, page=2), body(*rows[20:]), T0 + HOUR)
    _moonshots(books)
    _grades_again(books)
    _trouble(books)
    return books


def _moonshots(books: MemoryLedger) -> None:
    """A listing of two pages, and next day only the top of it, as its last row is known."""
    picks = [moonshot(n) for n in range(150)]
    [page, *_] = pieces("moonshot-tokens-past", ["*"], T0, T0, T0)
    books.deliver(page, body(*picks[50:]), T0 + 2 * HOUR)
    books.deliver(_turned(page, 2), body(*picks[:50]), T0 + 3 * HOUR)
    [page, *_] = pieces("moonshot-tokens-past", ["*"], T0 + DAY, T0 + DAY, T0 + DAY)
    books.deliver(page, body(*[moonshot(n) for n in range(150, 155)], *picks[55:]), T0 + DAY)
    [page, *_] = pieces("moonshot-tokens", ["*"], T0 + DAY, T0 + DAY, T0 + DAY)
    books.deliver(page, body({**moonshot(200), "MOONSHOT_END_AT": None}), T0 + DAY + HOUR)


def _grades_again(books: MemoryLedger) -> None:
    """Today's snapshot restates, history restates it back, and a later history repeats it."""
    [page, *_] = pieces("tm-grade", ["1", "2", "3"], T0 + DAY, T0 + DAY, T0 + DAY)
    today = [{**grade(token, T0, 60.0 + token), "DATE": None} for token in (1, 2, 3)]
    books.deliver(page, body(*today), T0 + DAY + 2 * HOUR)
    for step, value in enumerate((60.0, 70.0, 60.0)):
        at = T0 + DAY * 2 + HOUR * step * 30
        [page, *_] = pieces("tm-grade-history", ["1", "2"], T0, at, at)
        books.deliver(page, grades([1, 2], T0, 2 + step, value), at)


def _trouble(books: MemoryLedger) -> None:
    """A failed answer, bytes that are no JSON, rows that don't fit, an undeclared column."""
    at = T0 + DAY * 5
    for number, key in enumerate(("4", "5", "6", "7")):
        [page, *_] = pieces("tm-grade-history", [key], days_ago(5), at, at)
        good = grade(int(key), days_ago(5), brand_new=1)
        bad = [grade(int(key), days_ago(4), TM_GRADE="soon"), {**good, "TM_GRADE": 1.0}, "no row"]
        told: Any = [b'{"success": false, "message": "try later"}', b"<html>", body(good, *bad), body(good)][number]
        books.deliver(page, told, at + HOUR * number, status=200)


def days_ago(days: int) -> Any:
    return T0 + DAY * 5 - DAY * days


def _turned(piece: Any, page: int) -> Any:
    return replace(piece, page=page, params=(*piece.params, ("page", str(page))))


def moonshot(number: int) -> dict[str, Any]:
    return {
        "TOKEN_NAME": f"Moon {number}",
        "TOKEN_SYMBOL": f"M{number}",
        "MOONSHOT_AT": f"{T0 - DAY * 300 + DAY * number:%Y-%m-%dT%H:%M:%SZ}",
        "MOONSHOT_END_AT": f"{T0 - DAY * 290 + DAY * number:%Y-%m-%dT%H:%M:%SZ}",
        "MOONSHOT_ROI": number / 10,
        "LAST_TRADING_SIGNAL_TIME": None,
        "TM_TRADER_GRADE": 50.0,
        "TM_TRADER_GRADE_24H_PCT_CHANGE": 0.0,
        "PRICE_CHANGE_PERCENTAGE_7D_IN_CURRENCY": 0.0,
        "MARKET_CAP": 1e6,
        "VOLUME_24H": 1e5,
    }


def many(count: int) -> MemoryLedger:
    """So many small pages, each of its own token and ten days, every third of them seen twice."""
    books = MemoryLedger()
    for number in range(count):
        token = number if number % 3 else number // 6 * 3
        at = T0 + timedelta(minutes=number)
        [page, *_] = pieces("tm-grade-history", [str(token)], T0 - DAY * 10, T0 - DAY, at)
        books.deliver(page, grades([token], T0 - DAY * 10, 10, float(number % 50)), at)
    return books
