"""A shelf for every declared seller that has none of its own: its requests are read, and its rows made up, as declared.

What a new declaration asks for, pays, parses and loads can thus be seen before its seller is paid. That the real seller
answers in that shape is not shown here: docs/sources.md reads a real answer for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from tollbook.sandbox.asgi import Reply
from tollbook.sandbox.clock import WorldClock
from tollbook.sandbox.market.catalogue import EPOCH_DAY
from tollbook.sandbox.market.noise import DAY, stream, unit
from tollbook.sandbox.shop import Product
from tollbook.sources import registry
from tollbook.sources.model import EVERYTHING, Cast, Column, Dataset, Dates, Seller

HITS = 3
"""Rows of a key and slot where any number may come, and more than key and time tell them apart."""

_JSON = (b"content-type", b"application/json")
Row = dict[str, Any]


def sellers(known: Sequence[str]) -> list[Seller]:
    """Those that are declared and not among `known`."""
    return [seller for seller in registry.sellers() if seller.name not in known]


def products(selling: Seller, clock: WorldClock) -> list[Product]:
    """Its datasets under /NAME, each at half of the dearest price that its declaration allows."""
    return [
        Product(
            selling.name,
            f"{selling.name}{dataset.path}",
            dataset.method,
            f"/{selling.name}{dataset.path}",
            0 if dataset.free else int(Decimal(dataset.max_price) * 10**6) // 2,
            partial(_answer, dataset, clock),
        )
        for dataset in selling.datasets
    ]


class Unreadable(ValueError):
    """Raised for a request that the declaration does not allow."""


def _answer(dataset: Dataset, clock: WorldClock, params: Sequence[tuple[str, str]], body: bytes) -> Reply:
    try:
        asked = dict(params) if dataset.body is None else msgspec.json.decode(body or b"{}")
        document = _document(dataset, _page(dataset, asked, int(clock.time())))
    except (ValueError, TypeError, AttributeError, msgspec.DecodeError) as problem:
        return Reply(422, [_JSON], msgspec.json.encode({"error": str(problem)}))
    return Reply(200, [_JSON], msgspec.json.encode(document))


def _document(dataset: Dataset, rows: list[Row]) -> Any:
    found: Any = {row[dataset.keyed_rows]: row for row in rows} if dataset.keyed_rows else rows
    for name in reversed(dataset.rows_path):
        found = {name: found}
    return {**dataset.success, **found} if isinstance(found, dict) else found


def _page(dataset: Dataset, asked: Mapping[str, Any], now: int) -> list[Row]:
    """Newest first, one page of what was asked for."""
    rows = list(_rows(dataset, _keys(dataset, asked), _slots(dataset, asked, now)))
    if dataset.paging is None:
        return rows
    limit = int(asked.get(dataset.paging.limit_param, dataset.paging.rows))
    if not 1 <= limit <= dataset.paging.rows:
        raise Unreadable(f"{dataset.paging.limit_param} is 1 to {dataset.paging.rows}")
    start = (int(asked.get(dataset.paging.page_param, dataset.paging.first)) - dataset.paging.first) * limit
    return rows[start : start + limit]


def _keys(dataset: Dataset, asked: Mapping[str, Any]) -> list[str]:
    packing = dataset.packing
    if packing is None:
        return [EVERYTHING]
    value = asked.get(packing.param) or ""
    if isinstance(value, str):
        keys = value.split(packing.separator) if packing.ids > 1 and packing.separator else [value]
    else:
        keys = [str(key) for key in value]
    if not 1 <= len(keys) <= packing.ids or not all(keys):
        raise Unreadable(f"{packing.param} takes 1 to {packing.ids}")
    return keys


def _slots(dataset: Dataset, asked: Mapping[str, Any], now: int) -> range:
    """The slots asked for that have begun; now's where there are no dates."""
    here, window = now // dataset.grain, dataset.window
    if window is None:
        return range(here, here + 1)
    unix = window.dates is Dates.UNIX
    start = int(asked[window.start_param]) if unix else _day(asked[window.start_param]) * DAY
    end = int(asked[window.end_param]) if unix else (_day(asked[window.end_param]) + 1) * DAY
    if not 0 < end - start <= window.days * DAY:
        raise Unreadable(f"{window.start_param} and {window.end_param} span 1 to {window.days} days")
    return range(start // dataset.grain, min((end - 1) // dataset.grain, here) + 1)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - EPOCH_DAY


def _rows(dataset: Dataset, keys: Sequence[str], slots: range) -> Iterator[Row]:
    told = [column for column in dataset.columns if column.names and not column.asked]
    alike = set(dataset.natural_key) <= {dataset.time_column, dataset.key_column}
    for slot in reversed(slots):
        for key in keys:
            for number in range(dataset.rows_per_cell or (1 if alike else HITS)):
                yield {column.names[0]: _value(dataset, column, key, slot, number) for column in told}


def _value(dataset: Dataset, column: Column, key: str, slot: int, number: int) -> Any:
    """The key and the date where those belong; else something of the column's type that is the same for ever."""
    if column.name == dataset.key_column:
        return key
    when = datetime.fromtimestamp(slot * dataset.grain, UTC)
    share = unit(stream(len(key), dataset.name, column.name, key), slot + number)
    values: dict[Cast, Any] = {
        Cast.DATE: f"{when:%Y-%m-%d}",
        Cast.TIMESTAMP: f"{when:%Y-%m-%dT%H:%M:%S.000Z}",
        Cast.INTEGER: int(share * 1000) * 1000 + number,  # no two rows of a cell alike: it may be their key
        Cast.FLOAT: round(share * 100, 2),
        Cast.BOOLEAN: share < 0.5,
        Cast.JSON: [{"part": number}],
        Cast.TEXT: f"{column.name} {number + 1} of {key}",
    }
    return values[column.cast]
