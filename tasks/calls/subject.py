"""The keys and the window that a call asks for, from its plan or from its request, and the names of keys for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sources import registry
from sources.model import DAY, EVERYTHING, Dataset, Dates
from sources.slots import start_of
from warehouse.query import query, update_errors


@dataclass(frozen=True, slots=True)
class AskedFor:
    """Keys, such as token ids, none for what is not sold by key; first and last slot, both inclusive: a day
    (2026-11-29), or an hour of it (2026-11-29T13), None where a request names neither; and a page
    after the first."""

    keys: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    page: int | None = None

    @property
    def window(self) -> str:
        """Both ends in words, one where they are the same; "" for none."""
        return (self.first or "") if self.last in (None, self.first) else f"{self.first} to {self.last}"


def of_plan(dataset: str, context: Mapping[str, Any], request: Sequence[tuple[str, str]] = ()) -> AskedFor:
    """Read the plan's own words about a call, which its purchase keeps; those of the request where there are none."""
    try:
        sold = registry.dataset(dataset)
        form = "%Y-%m-%d" if sold.grain % DAY == 0 else "%Y-%m-%dT%H"
        first, last = (f"{start_of(sold, int(context[end])):{form}}" for end in ("first", "last"))
        page = context.get("page")
        further = isinstance(page, int) and page > context.get("first_page", page)
        return AskedFor(_keys(map(str, context["keys"])), first, last, page if further else None)
    except (LookupError, TypeError, ValueError, OverflowError):
        return of_request(dataset, request)


def of_request(dataset: str, params: Sequence[tuple[str, str]]) -> AskedFor:
    """Read a request's parameters by the dataset's declaration. One that nothing declares has neither."""
    if (sold := _declared(dataset)) is None:
        return AskedFor()
    values = dict(params)
    keys: tuple[str, ...] = ()
    if sold.packing and sold.packing.param in values:
        listed = values[sold.packing.param]
        keys = _keys(listed.split(sold.packing.separator) if sold.packing.separator else (listed,))
    page = _further_page(sold, values)
    if sold.window is None or sold.window.start_param not in values or sold.window.end_param not in values:
        return AskedFor(keys, page=page)
    first, last = values[sold.window.start_param], values[sold.window.end_param]
    if sold.window.dates is Dates.UNIX:
        first, last = _unix_day(first, 0), _unix_day(last, 1)
    return AskedFor(keys, first, last, page)


def of_text(dataset: str, request: str, edition: str) -> AskedFor:
    """Read a request as the books write it ("GET https://host/path?a=b"); what asks for "now" has its edition's
    bucket as its window."""
    found = of_request(dataset, parse_qsl(urlsplit(request.partition(" ")[2]).query))
    bucket = edition.partition(":")[2] or None
    return found if found.first else replace(found, first=bucket, last=bucket)


def _further_page(sold: Dataset, values: Mapping[str, str]) -> int | None:
    """The page that is asked for, None for a first one, or where there are none."""
    number = values.get(sold.paging.page_param, "") if sold.paging else ""
    return int(number) if sold.paging and number.isdecimal() and int(number) > sold.paging.first else None


def _keys(keys: Any) -> tuple[str, ...]:
    return tuple(key for key in keys if key != EVERYTHING)


def _unix_day(seconds: str, before: int) -> str:
    """The UTC day of unix seconds, less `before` seconds: such a window's end is exclusive."""
    try:
        return f"{datetime.fromtimestamp(int(seconds) - before, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return seconds


def seller_of(dataset: str) -> str | None:
    """The seller of a dataset, None for one that nothing declares."""
    return sold.seller if (sold := _declared(dataset)) else None


def _declared(dataset: str) -> Dataset | None:
    try:
        return registry.dataset(dataset)
    except registry.UnknownName:
        return None


TOKEN_ID = "token_id"
"""The key column of datasets that are sold by token."""

_READ_AGAIN_SECONDS = 60.0


class KeyNames:
    """A token's symbol where the published file knows it; else the key itself. Reads that file when it must, rarely."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._clock = home, clock
        self._symbols: dict[str, str] = {}
        self._read_at: float | None = None

    def __call__(self, dataset: str, key: str) -> str:
        if (sold := _declared(dataset)) is None or sold.key_column != TOKEN_ID:
            return key
        if key not in self._symbols and (self._read_at is None or self._clock() - self._read_at > _READ_AGAIN_SECONDS):
            self._read_at = self._clock()
            self._symbols = self._read()
        return self._symbols.get(key, key)

    def _read(self) -> dict[str, str]:
        """Symbols by id; what was known where nothing can be read now: names are a courtesy."""
        try:
            _, rows = query(self._home, "SELECT token_id::VARCHAR, token_symbol FROM tokens WHERE token_symbol <> ''")
        except update_errors():
            return self._symbols
        return dict(rows)
