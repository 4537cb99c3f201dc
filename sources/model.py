"""The small model every seller is declared in. From one declaration come the plan, the parser, the tables and the docs.

Time is counted in *slots*: slot = floor(unix seconds / grain), so a day, an hour and a six-hour snapshot bucket are
all whole numbers. A *cell* is (key, slot). Slot ranges are inclusive at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

HOUR = 3600
DAY = 86400
WEEK = 7 * DAY

DOLLAR = "USDC"
"""The asset that prices are declared in, unless another is named."""

EVERYTHING = "*"
"""The one key of a dataset that is not asked for by id."""


class Kind(StrEnum):
    """SERIES: dated rows, buyable later in windows. SNAPSHOT: only "now". REFERENCE: free or rarely changing."""

    SERIES = "series"
    SNAPSHOT = "snapshot"
    REFERENCE = "reference"


class Cast(StrEnum):
    """Declared column types. A value no cast bridges is quarantined, never zero."""

    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ours. `names` are the seller's spellings, compared exactly; the first that holds a value wins.

    When `asked` the value is the key that was asked for, which the seller doesn't repeat in its rows.
    `expected` is False for what only some generations of the row carry: its absence is no drift.
    """

    name: str
    cast: Cast
    names: tuple[str, ...] = ()
    doc: str = ""
    asked: bool = False
    expected: bool = True


EXTRAS = Column("extras", Cast.JSON, (), "columns the seller sends that are not declared yet", expected=False)
"""The last column of every dataset: what is new is kept and can be queried before anyone declares it."""


@dataclass(frozen=True, slots=True)
class Paging:
    """`page` counts from `first`; a page with fewer than `rows` rows is the last.

    `depth` is how many pages of one listing are worth buying (None: all). `newest_first` says that a listing only
    grows at its top, so that reading may stop at a page that brought nothing new.
    """

    rows: int
    page_param: str = "page"
    limit_param: str = "limit"
    first: int = 1
    depth: int | None = None
    newest_first: bool = False


class Dates(StrEnum):
    """How a window's ends are written: calendar days, or unix seconds (the end is then the first second not asked)."""

    DAYS = "days"
    UNIX = "unix"


@dataclass(frozen=True, slots=True)
class Window:
    """Date parameters of a series, both ends inclusive, at most `days` calendar days in one request."""

    start_param: str
    end_param: str
    days: int
    dates: Dates = Dates.DAYS


@dataclass(frozen=True, slots=True)
class Packing:
    """Several keys in one request: comma lists in `param`, at most `ids` of them. In a JSON body without `separator`
    it is a list."""

    param: str
    ids: int
    separator: str = ","


class Evidence(StrEnum):
    """How a fact about a seller is known: seen in an answer, stated by the seller, or concluded from other facts."""

    OBSERVED = "observed"
    DOCUMENTED = "documented"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Since:
    """The first UTC day of a history: before it there is nothing to pay for."""

    day: date
    evidence: Evidence = Evidence.INFERRED


@dataclass(frozen=True, slots=True)
class Dataset:
    """What can be bought at one endpoint.

    `table` is where its rows go: a snapshot and the history that repairs it share one. `grain`, `settle` and
    `patience` are seconds: a slot's row no longer moves once observed `settle` after the slot's end, and a row that
    is not there is believed not to exist once asked for `patience` after it. `key_column` names the column whose
    values are the cells' keys (None: one listing of everything). `time_column` is the column that dates a row; where
    rows are `undated` it is the UTC day, or shorter slot, in which they were observed.
    `lookback` is how many slots before the newest a run looks for gaps to heal, and for rows due for a second look (of
    a snapshot, for missed slots to report). `since` is the first day that is sold.
    `rows_per_cell` is None where one key and slot may bring any number of rows. `max_price` is decimal text in
    dollars; what a call may cost in another token, whose worth moves, is for policy's caps to say.
    """

    name: str
    seller: str
    table: str
    kind: Kind
    path: str
    grain: int
    natural_key: tuple[str, ...]
    time_column: str
    columns: tuple[Column, ...]
    key_column: str | None = None
    undated: bool = False
    settle: int = 0
    patience: int = 0
    lookback: int = 0
    since: Since | None = None
    rows_per_cell: int | None = 1
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    window: Window | None = None
    paging: Paging | None = None
    packing: Packing | None = None
    rows_path: tuple[str, ...] = ("data",)
    keyed_rows: str = ""
    success: Mapping[str, Any] = field(default_factory=dict)
    max_price: str = "0.10"
    free: bool = False
    repaired_by: str | None = None
    doc: str = ""

    def ceiling(self, asset: str) -> str | None:
        """The most that one call may cost in an asset, under policy's own ceiling; None where nothing is declared."""
        return self.max_price if asset == DOLLAR else None

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose change makes a new version of a row: all but its key and the day it was looked at."""
        spent = {*self.natural_key, *((self.time_column,) if self.undated else ())}
        return tuple(column.name for column in self.columns if column.name not in spent)


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells: its default base URL, the headers every request carries, and what it sells."""

    name: str
    base_url: str
    headers: Mapping[str, str]
    datasets: tuple[Dataset, ...]
    payment_token_header: str | None = None
    parallel: int = 4
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """What one scheduled flow keeps fresh. When it `repairs`, days that no snapshot saw are bought from the series that
    has them."""

    name: str
    datasets: tuple[str, ...]
    repairs: bool = False
