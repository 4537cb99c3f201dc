"""Pieces of a plan: each one request, with the cells it answers. The same cells always make the same bytes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from sources.model import DAY, EVERYTHING, Dataset, Dates, Window

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


def write_piece(dataset: Dataset, group: Group, page: int) -> Piece:
    """The request for one page of a group: parameters sorted by name, or a JSON body in canonical form."""
    fields: dict[str, Any] = dict(dataset.params)
    packing, window, paging = dataset.packing, dataset.window, dataset.paging
    if packing and group.keys != (EVERYTHING,):
        as_list = dataset.body is not None and not packing.separator
        fields[packing.param] = list(group.keys) if as_list else packing.separator.join(group.keys)
    if window:
        fields[window.start_param], fields[window.end_param] = window_ends(dataset, window, group)
    if paging:
        for name, number in ((paging.limit_param, group.limit), (paging.page_param, page)):
            if name:
                fields[name] = str(number) if dataset.body is None else number
    if dataset.body is None:
        params, body = tuple(sorted(fields.items())), b""
    else:
        params, body = (), msgspec.json.encode({**dataset.body, **fields}, order="deterministic")
    return Piece(dataset.seller, dataset.name, dataset.method, dataset.path, params, body, page, group)


def window_ends(dataset: Dataset, window: Window, group: Group) -> tuple[str, str]:
    """A group's first and last slot as the seller writes dates: UTC days, or unix seconds with an exclusive end."""
    start, end = group.first * dataset.grain, (group.last + 1) * dataset.grain
    if window.dates is Dates.UNIX:
        return str(start), str(end)
    return _day(start // DAY), _day((end - 1) // DAY)


@cache
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * DAY, UTC):%Y-%m-%d}"
