"""One piece of a plan: the request it makes and the cells it answers. The same cells always make the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from tollbook.sources.model import DAY, EVERYTHING, Dataset, Dates, Seller, Window


@dataclass(frozen=True, slots=True)
class Group:
    """One listing under a seller's paging: keys × slots, asked for in one edition. A group is read page by page.

    `bucket` is the freshness bucket it was asked in (of a closed window: its last slot, whenever that was);
    `rows` is how many rows it can have at most (None: nobody knows); `limit` the rows of a page (None: no paging).
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
    def pages(self) -> int:
        """Pages it takes at most, as far as is known."""
        return 1 if self.limit is None or not self.rows else -(-self.rows // self.limit)

    @property
    def id(self) -> str:
        """Names the group whoever planned it: the same cells in the same edition and page size."""
        text = f"{self.dataset}|{self.edition}|{','.join(self.keys)}|{self.first}|{self.last}|{self.limit}"
        return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: what to send, and one page of one group as the answer."""

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
        """How many rows this page has at most, None where nobody knows."""
        group = self.group
        if group.rows is None or group.limit is None:
            return group.rows
        before = (self.page - group.first_page) * group.limit
        return max(0, min(group.limit, group.rows - before))

    def context(self) -> dict[str, Any]:
        """JSON about what it answers: kept with the purchase, read by `coverage` and `rows` when the body is loaded."""
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
    """The group a delivery's context speaks of."""
    return Group(
        dataset=context["dataset"],
        edition=context["edition"],
        bucket=context["bucket"],
        keys=tuple(context["keys"]),
        first=context["first"],
        last=context["last"],
        limit=context["limit"],
        rows=context["rows"],
        first_page=context["first_page"],
    )


class Requests:
    """Writes the requests of one dataset. Key lists are joined once for all windows that share them."""

    def __init__(self, dataset: Dataset, seller: Seller) -> None:
        self.dataset = dataset
        self.seller = seller
        self._joined: dict[tuple[str, ...], str] = {}
        self._fixed = dict(dataset.params)

    def piece(self, group: Group, page: int) -> Piece:
        """The request for one page of a group: parameters sorted, a JSON body canonical."""
        dataset = self.dataset
        fields = {**self._fixed, **self._asked(group), **self._paging(group, page)}
        params: tuple[tuple[str, str], ...] = ()
        body = b""
        if dataset.body is None:
            params = tuple(sorted((name, str(value)) for name, value in fields.items()))
        else:
            body = msgspec.json.encode({**dataset.body, **fields}, order="deterministic")
        return Piece(self.seller.name, dataset.name, dataset.method, dataset.path, params, body, page, group)

    def _asked(self, group: Group) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        packing, window = self.dataset.packing, self.dataset.window
        if packing and group.keys != (EVERYTHING,):
            as_list = self.dataset.body is not None and not packing.separator
            asked[packing.param] = list(group.keys) if as_list else self._join(group.keys, packing.separator)
        if window:
            asked[window.start_param], asked[window.end_param] = window_ends(self.dataset, window, group)
        return asked

    def _paging(self, group: Group, page: int) -> dict[str, Any]:
        paging = self.dataset.paging
        if paging is None:
            return {}
        numbered = {paging.page_param: page} if paging.page_param else {}
        return {paging.limit_param: group.limit, **numbered} if paging.limit_param else dict(numbered)

    def _join(self, keys: tuple[str, ...], separator: str) -> str:
        if keys not in self._joined:
            self._joined[keys] = separator.join(keys)
        return self._joined[keys]


def window_ends(dataset: Dataset, window: Window, group: Group) -> tuple[str, str]:
    """A group's first and last slot as the seller writes dates."""
    start, end = group.first * dataset.grain, (group.last + 1) * dataset.grain
    if window.dates is Dates.UNIX:
        return str(start), str(end)
    return _day(start // DAY), _day((end - 1) // DAY)


@cache
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * DAY, UTC):%Y-%m-%d}"
