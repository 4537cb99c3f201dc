"""The model that every seller is declared in. From one declaration come the plan, the parser, the tables and the docs.

Time is counted in *slots*: slot = floor(unix seconds / grain), so that a day, an hour and a six-hour snapshot are all
whole numbers. A *cell* is (key, slot). Ranges of slots include both ends.
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

USDC = "USDC"
"""The asset that price ceilings are declared in."""

EVERYTHING = "*"
"""The only key of a dataset that is not asked for by id."""


class Kind(StrEnum):
    """SERIES: dated rows, buyable later in windows. SNAPSHOT: only "now". REFERENCE: free or rarely changing."""

    SERIES = "series"
    SNAPSHOT = "snapshot"
    REFERENCE = "reference"


class Cast(StrEnum):
    """Column types. A row with a value that can't be cast is quarantined; the value is never read as zero."""

    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"


class Evidence(StrEnum):
    """The source of a fact or column: seen in an answer, stated by the seller, concluded from other facts, or computed
    by tollbook itself."""

    OBSERVED = "observed"
    DOCUMENTED = "documented"
    INFERRED = "inferred"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    `names` are the seller's spellings, compared exactly; the first with a value wins. `from_request`: the value is the
    key of the request, which the seller doesn't repeat in its rows. `expected` is False for a column that only some
    versions of the row have: its absence is no schema drift.

    For the data dictionary: `doc` is the meaning, `unit` its unit ("none" for what has none, "unknown" where the seller
    doesn't say), `time_basis` the time that the value is of (empty: the row's own), `source` where the meaning is from.
    """

    name: str
    cast: Cast
    names: tuple[str, ...] = ()
    doc: str = ""
    from_request: bool = False
    expected: bool = True
    unit: str = ""
    time_basis: str = ""
    source: Evidence = Evidence.DOCUMENTED


EXTRAS = Column(
    "extras",
    Cast.JSON,
    (),
    "what the seller sends and no column has, as JSON; also numbers with more digits than their column",
    expected=False,
    unit="none",
    source=Evidence.DERIVED,
)
"""The last column of every dataset: undeclared values as JSON, so that they are kept and can be queried. Its own
`names` are fields that some versions of a row have, and that are no news: they are kept there, too."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Pages are counted from `first`; a page with fewer than `rows` rows is the last.

    `depth` is the number of pages of one listing that are worth buying (None: all). `newest_first`: the listing only
    grows at its top, so that reading stops at a page without new rows.
    """

    rows: int
    page_param: str = "page"
    limit_param: str = "limit"
    first: int = 1
    depth: int | None = None
    newest_first: bool = False


class Dates(StrEnum):
    """The form of a window's ends: as UTC days, or as unix seconds with an exclusive end."""

    DAYS = "days"
    UNIX = "unix"


@dataclass(frozen=True, slots=True)
class Window:
    """Date parameters of a series; both ends inclusive, at most `days` calendar days in one request."""

    start_param: str
    end_param: str
    days: int
    dates: Dates = Dates.DAYS


@dataclass(frozen=True, slots=True)
class Packing:
    """Several keys in one request: at most `ids` of them in `param`, joined by `separator`.

    In a JSON body an empty `separator` makes a list.
    """

    param: str
    ids: int
    separator: str = ","


class Layout(StrEnum):
    """The form of the rows in an answer. ROWS: a list. ROW: one object, which is one row. COLUMNS: an object from name
    to a list of values, all equally long."""

    ROWS = "rows"
    ROW = "row"
    COLUMNS = "columns"


@dataclass(frozen=True, slots=True)
class Since:
    """The first UTC day of a history: no earlier day is sold."""

    day: date
    evidence: Evidence = Evidence.INFERRED


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data that one endpoint sells.

    - `table`: where its rows go. A snapshot and its history twin have one each: their values are of different times.
    - `grain`, `settle`, `patience`: seconds. A slot is `grain` long; its row has settled once observed `settle` after
      the slot's end; an absence has settled once observed `patience` after it.
    - `publishing_delay`: seconds after a slot's end at which the seller publishes its row; None: when it has settled.
    - `key_column`: the column with the cells' keys (None: one listing of everything). `time_column` dates a row; where
      rows are `undated`, it is the UTC day, or shorter slot, in which they were observed.
    - `lookback`: slots before the newest in which a run buys gaps and rows that had not settled (of a snapshot: reports
      missed slots). `since`: the first day that is sold.
    - `rows_per_cell`: None where a cell may have any number of rows.
    - `asked_again`: how often a closed cell that came back without a row is asked for again, one slot after the first
      answer, then 3, 9, … slots after the last; an absence that all of them confirm is believed.
    - `restated_for`, `look_again`: slots. A settled row may still change for `restated_for` slots after its own: in
      that time it is bought again every `look_again` slots (0: never).
    - `rows_path`: names that lead to the rows in the answer, which are laid out as `layout` says. `keyed_rows`: the
      column for the key, where the answer is an object from key to row. `success`: fields and values that the answer
      must have. `length`: the field that says how many rows there are ("" where none does). An answer of another form
      is a failed delivery.
    - `max_price`: the most that a call may cost, decimal text in USDC. For other assets only policy's caps apply.
    - `repaired_by`: the dataset that sells missed slots later, such as a history twin.
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
    publishing_delay: int | None = None
    lookback: int = 0
    since: Since | None = None
    rows_per_cell: int | None = 1
    asked_again: int = 3
    restated_for: int = 0
    look_again: int = 0
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    window: Window | None = None
    paging: Paging | None = None
    packing: Packing | None = None
    rows_path: tuple[str, ...] = ("data",)
    layout: Layout = Layout.ROWS
    keyed_rows: str = ""
    success: Mapping[str, Any] = field(default_factory=dict)
    length: str = ""
    max_price: str = "0.10"
    free: bool = False
    repaired_by: str | None = None
    doc: str = ""

    def ceiling(self, asset: str) -> str | None:
        """The declared most that one call may cost in an asset, decimal text; None where policy's caps alone apply."""
        return self.max_price if asset == USDC else None

    @property
    def published_after(self) -> int:
        """Seconds after a slot's end at which its row is public: the declared delay, else the settling time."""
        return self.settle if self.publishing_delay is None else self.publishing_delay

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose change makes a new version of a row: all but its key and the day on which it was observed."""
        identity = {*self.natural_key, *((self.time_column,) if self.undated else ())}
        return tuple(column.name for column in self.columns if column.name not in identity)


@dataclass(frozen=True, slots=True)
class Seller:
    """One seller: its default base URL, the headers of every request, and its datasets.

    `payment_token_header` names the header that chooses the asset to pay with; `parallel` is how many calls may run at
    the same time.
    """

    name: str
    base_url: str
    headers: Mapping[str, str]
    datasets: tuple[Dataset, ...]
    payment_token_header: str | None = None
    parallel: int = 4
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """The datasets that one scheduled flow keeps fresh. `repairs`: of a snapshot also its history twin, each day once
    it has settled."""

    name: str
    datasets: tuple[str, ...]
    repairs: bool = False
