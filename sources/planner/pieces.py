"""One piece of a plan: the request it makes and the cells it answers. The same cells always make the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec

from sources.model import DAY, EVERYTHING, Dataset, Dates, Packing, Seller, Window

Field = tuple[str, Any]
"""One parameter, or one field of a JSON body."""


AGAIN = "+again"
"""Ends the edition of a listing's second look in its bucket."""


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
    def again(self) -> bool:
        """It is the second look at a listing that shifted."""
        return self.edition.endswith(AGAIN)

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
        """JSON about what it answers: kept with the purchase, read by `answered` and `rows` when the body is loaded."""
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
    """Writes the requests of one dataset: fixed fields first, then what the group asks for, then its page."""

    def __init__(self, dataset: Dataset, seller: Seller) -> None:
        self.dataset = dataset
        self.seller = seller
        self._fixed = tuple(dataset.params.items())
        self._packing, self._window, self._paging = dataset.packing, dataset.window, dataset.paging
        self._as_list = dataset.body is not None and self._packing is not None and not self._packing.separator
        self._pages: dict[tuple[int | None, int], tuple[Field, ...]] = {}
        self._keys: dict[tuple[str, ...], Field] = {}
        self._order: dict[int, Callable[[list[Field]], tuple[Field, ...]]] = {}

    def piece(self, group: Group, page: int) -> Piece:
        """The request for one page of a group: parameters sorted, a JSON body canonical."""
        dataset = self.dataset
        fields = self._fields(group, page)
        if dataset.body is None:
            params = self._sorted(fields)
            return Piece(self.seller.name, dataset.name, dataset.method, dataset.path, params, b"", page, group)
        body = msgspec.json.encode({**dataset.body, **dict(fields)}, order="deterministic")
        return Piece(self.seller.name, dataset.name, dataset.method, dataset.path, (), body, page, group)

    def _fields(self, group: Group, page: int) -> list[Field]:
        fields: list[Field] = list(self._fixed)
        if self._packing and group.keys != (EVERYTHING,):
            fields.append(self._asked(group.keys, self._packing))
        if self._window:
            start, end = window_ends(self.dataset, self._window, group)
            fields.append((self._window.start_param, start))
            fields.append((self._window.end_param, end))
        fields += self._paged(group.limit, page)
        return fields

    def _paged(self, limit: int | None, page: int) -> tuple[Field, ...]:
        if (limit, page) not in self._pages:
            asked = ((self._paging.limit_param, limit), (self._paging.page_param, page)) if self._paging else ()
            as_is = self.dataset.body is not None
            self._pages[limit, page] = tuple((name, value if as_is else str(value)) for name, value in asked if name)
        return self._pages[limit, page]

    def _asked(self, keys: tuple[str, ...], packing: Packing) -> Field:
        if keys not in self._keys:
            self._keys[keys] = (packing.param, list(keys) if self._as_list else packing.separator.join(keys))
        return self._keys[keys]

    def _sorted(self, fields: list[Field]) -> tuple[Field, ...]:
        """Sorted by name. Requests of a dataset have the same names in the same places, so the order is found once."""
        order = self._order.get(len(fields))
        if order is None:
            places = sorted(range(len(fields)), key=lambda place: fields[place][0])
            order = itemgetter(*places) if len(places) > 1 else tuple
            self._order[len(fields)] = order
        return order(fields)


def window_ends(dataset: Dataset, window: Window, group: Group) -> tuple[str, str]:
    """A group's first and last slot as the seller writes dates."""
    start, end = group.first * dataset.grain, (group.last + 1) * dataset.grain
    if window.dates is Dates.UNIX:
        return str(start), str(end)
    return _day(start // DAY), _day((end - 1) // DAY)


@cache
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * DAY, UTC):%Y-%m-%d}"
