"""Pieces of a plan: each one request, with the cells it answers. The same cells always make the same bytes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec

from sources.model import DAY, EVERYTHING, Dataset, Dates, Packing, Window

Field = tuple[str, Any]
"""One parameter, or one field of a JSON body."""


AGAIN = "+again"
"""Ends the edition of a listing that is read a second time in its bucket, because it shifted."""


@dataclass(frozen=True, slots=True)
class Group:
    """Keys × slots that one URL asks for in one edition, read page by page.

    `first` and `last` are slots, both inclusive. `bucket` is the freshness bucket it is bought in (of a closed window:
    its last slot). `limit` is rows per page (None: the seller doesn't page), `rows` the most rows that it can have
    (None: unknown).
    """

    dataset: str
    edition: str
    bucket: int
    keys: tuple[str, ...]
    first: int
    last: int
    limit: int | None
    rows: int | None
    first_page: int = 1

    @property
    def again(self) -> bool:
        """True for the second reading of a listing that shifted."""
        return self.edition.endswith(AGAIN)

    @property
    def pages(self) -> int:
        """Pages it takes at most; 1 where the number of rows is unknown."""
        return 1 if self.limit is None or not self.rows else -(-self.rows // self.limit)

    @property
    def id(self) -> str:
        """Hash of its cells, edition and page size: the same on every machine."""
        text = f"{self.dataset}|{self.edition}|{','.join(self.keys)}|{self.first}|{self.last}|{self.limit}"
        return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """One request and its answer: one page of one group."""

    seller: str
    dataset: str
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    body: bytes
    page: int
    group: Group = field(repr=False)

    @property
    def edition(self) -> str:
        return self.group.edition

    @property
    def keys(self) -> tuple[str, ...]:
        return self.group.keys

    @property
    def first(self) -> int:
        return self.group.first

    @property
    def last(self) -> int:
        return self.group.last

    @property
    def expected_rows(self) -> int | None:
        """The most rows that this page can have; None where that is unknown."""
        group = self.group
        if group.rows is None or group.limit is None:
            return group.rows
        earlier = (self.page - group.first_page) * group.limit
        return max(0, min(group.limit, group.rows - earlier))

    def context(self) -> dict[str, Any]:
        """The cells that it answers, as JSON values: kept with the purchase, and read by `group_of` at the load."""
        group = self.group
        return {
            "dataset": self.dataset,
            "edition": group.edition,
            "bucket": group.bucket,
            "group": group.id,
            "keys": list(group.keys),
            "first": group.first,
            "last": group.last,
            "page": self.page,
            "first_page": group.first_page,
            "limit": group.limit,
            "rows": group.rows,
        }


def group_of(context: Mapping[str, Any]) -> Group:
    """The group in a purchase's context (see `Piece.context`). Raises KeyError where a field is missing."""
    values = {field.name: context[field.name] for field in fields(Group)}
    return Group(**{**values, "keys": tuple(values["keys"])})


class PieceWriter:
    """Write the requests of one dataset: its fixed fields, the group's keys and dates, and the page."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._fixed = tuple(dataset.params.items())
        self._packing, self._window, self._paging = dataset.packing, dataset.window, dataset.paging
        self._as_list = dataset.body is not None and self._packing is not None and not self._packing.separator
        self._pages: dict[tuple[int | None, int], tuple[Field, ...]] = {}
        self._keys: dict[tuple[str, ...], Field] = {}
        self._order: dict[int, Callable[[list[Field]], tuple[Field, ...]]] = {}

    def piece(self, group: Group, page: int) -> Piece:
        """The request for one page of a group: parameters sorted by name, a JSON body in canonical form."""
        dataset = self.dataset
        fields = self._fields(group, page)
        if dataset.body is None:
            params = self._sorted(fields)
            return Piece(dataset.seller, dataset.name, dataset.method, dataset.path, params, b"", page, group)
        body = msgspec.json.encode({**dataset.body, **dict(fields)}, order="deterministic")
        return Piece(dataset.seller, dataset.name, dataset.method, dataset.path, (), body, page, group)

    def _fields(self, group: Group, page: int) -> list[Field]:
        fields: list[Field] = list(self._fixed)
        if self._packing and group.keys != (EVERYTHING,):
            fields.append(self._key_field(group.keys, self._packing))
        if self._window:
            start, end = window_ends(self.dataset, self._window, group)
            fields.append((self._window.start_param, start))
            fields.append((self._window.end_param, end))
        fields += self._page_fields(group.limit, page)
        return fields

    def _page_fields(self, limit: int | None, page: int) -> tuple[Field, ...]:
        if (limit, page) not in self._pages:
            fields = ((self._paging.limit_param, limit), (self._paging.page_param, page)) if self._paging else ()
            as_number = self.dataset.body is not None
            named = ((name, value if as_number else str(value)) for name, value in fields if name)
            self._pages[limit, page] = tuple(named)
        return self._pages[limit, page]

    def _key_field(self, keys: tuple[str, ...], packing: Packing) -> Field:
        if keys not in self._keys:
            self._keys[keys] = (packing.param, list(keys) if self._as_list else packing.separator.join(keys))
        return self._keys[keys]

    def _sorted(self, fields: list[Field]) -> tuple[Field, ...]:
        """Sort by name. A dataset's requests have the same fields in the same places: their order is computed once."""
        order = self._order.get(len(fields))
        if order is None:
            places = sorted(range(len(fields)), key=lambda place: fields[place][0])
            order = itemgetter(*places) if len(places) > 1 else tuple
            self._order[len(fields)] = order
        return order(fields)


def window_ends(dataset: Dataset, window: Window, group: Group) -> tuple[str, str]:
    """A group's first and last slot as the seller writes dates: UTC days, or unix seconds with an exclusive end."""
    start, end = group.first * dataset.grain, (group.last + 1) * dataset.grain
    if window.dates is Dates.UNIX:
        return str(start), str(end)
    return _day(start // DAY), _day((end - 1) // DAY)


@cache
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * DAY, UTC):%Y-%m-%d}"
