"""Shared by all Token Metrics endpoints: envelope, pages, windows, id lists (observed and documented, 2025).

Meaning and unit of a column are in `meanings`, by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sources.model import DAY, EXTRAS, HOUR, WEEK, Cast, Column, Dataset, Evidence, Kind, Packing, Paging, Since, Window
from sources.sellers.tokenmetrics.meanings import MEANINGS, NONE, TIME

NAME = "tokenmetrics"

PAGES = Paging(rows=100)
"""Rows a page: 50 by default, at most 100 (documented)."""

WINDOW = Window("startDate", "endDate", days=29)
"""Inclusive at both ends (observed); 29 to 30 days apart at most (documented), so 29 calendar days are safe."""

TOKENS = Packing("token_id", ids=100)
"""Comma lists (documented). The most ids a call takes is not known: as many as fill a page."""

BY_TOKEN: Mapping[str, Any] = {"key_column": "token_id", "packing": TOKENS}
BY_TOKEN_AND_DAY: Mapping[str, Any] = {"natural_key": ("token_id", "date"), "time_column": "date", **BY_TOKEN}
BY_TOKEN_AND_HOUR: Mapping[str, Any] = {
    "natural_key": ("token_id", "timestamp"),
    "time_column": "timestamp",
    **BY_TOKEN,
}
UNDATED: Mapping[str, Any] = {"time_column": "as_of", "undated": True}
UNDATED_TOKENS: Mapping[str, Any] = {"natural_key": ("token_id", "as_of"), **UNDATED}
LISTED_DAILY: Mapping[str, Any] = {"grain": DAY, "lookback": 28, "rows_per_cell": None}
LISTED_WEEKLY: Mapping[str, Any] = {"grain": WEEK, "lookback": 4}

DAILY = {"grain": DAY, "settle": 6 * HOUR, "patience": 2 * DAY, "lookback": 28}
"""A day's row has settled at 06:00 UTC of the next day, an absence two days after the day (inferred). 28 days of
lookback and today make one window."""

HOURLY = {"grain": HOUR, "settle": HOUR, "patience": 6 * HOUR, "lookback": 24}


LOWEST: Mapping[str, Any] = {"max_price": "0.034"}
MIDDLE: Mapping[str, Any] = {"max_price": "0.068"}
HIGHEST: Mapping[str, Any] = {"max_price": "0.10"}
"""Price ceilings per call: twice the 0.017 and 0.034 USDC, and less than twice the 0.068 USDC, that undated comments in
a public client give. The highest applies where no price was ever seen."""

GRADED = date(2021, 1, 1)
"""The day of the oldest trader grades (observed); no older grade of another kind was seen."""

FOUNDED = Since(date(2017, 1, 1))
"""Inferred: the holding returns in a Bitcoin signal of 2025 reach back to early 2017. The depth of most histories is
not known; this refuses only what can't be there."""

DATED: Mapping[str, Any] = {"window": WINDOW, "since": FOUNDED, **DAILY}


def column(
    name: str, cast: Cast, names: tuple[str, ...], *, doc: str = "", unit: str = "", expected: bool = True
) -> Column:
    """A column with its spellings; meaning and unit are those of its name, unless the dataset has others."""
    meaning = MEANINGS[name]
    return Column(
        name,
        cast,
        names,
        doc or meaning.doc,
        expected=expected,
        unit=unit or meaning.unit,
        time_basis=meaning.time_basis,
        source=meaning.source,
    )


def spelled(name: str, cast: Cast, *names: str, doc: str = "", unit: str = "", expected: bool = True) -> Column:
    """A column with its v2 spelling (upper case), its v3 spelling (lower case), and any others."""
    usual = (name.upper(), name)
    spellings = (*names, *(spelling for spelling in usual if spelling not in names))
    return column(name, cast, spellings, doc=doc, unit=unit, expected=expected)


def floats(*names: str, expected: bool = True) -> tuple[Column, ...]:
    """Number columns, named as the seller does, in lower case."""
    return tuple(spelled(name, Cast.FLOAT, expected=expected) for name in names)


def texts(*names: str, expected: bool = True) -> tuple[Column, ...]:
    return tuple(spelled(name, Cast.TEXT, expected=expected) for name in names)


TOKEN_ID = spelled("token_id", Cast.INTEGER)
TOKEN = (TOKEN_ID, *texts("token_name", "token_symbol"))
DATE = Column(
    "date", Cast.DATE, ("DATE", "date", "TIMESTAMP", "timestamp"), "UTC day of the row", unit="UTC day", time_basis=NONE
)
HOUR_OF = Column(
    *("timestamp", Cast.TIMESTAMP, ("TIMESTAMP", "timestamp", "DATE", "date"), "UTC hour of the row, its beginning"),
    unit=TIME,
    time_basis=NONE,
)
AS_OF = Column(
    *("as_of", Cast.DATE, (), "UTC day on which the row was observed; the seller doesn't date it"),
    unit="UTC day",
    time_basis=NONE,
    source=Evidence.DERIVED,
)


def declare(name: str, table: str, kind: Kind, *columns: Column, **rest: Any) -> Dataset:
    """A dataset with the shared envelope, path, paging and highest ceiling, unless `rest` says otherwise.

    `extras` of `rest` names fields that are known and have no column of their own, in lower case.
    """
    answers: Mapping[str, Any] = {"success": {"success": True}, "length": "length"}
    usual: Mapping[str, Any] = {"path": f"/{name}", "paging": PAGES, **answers, **HIGHEST}
    known: tuple[str, ...] = rest.pop("extras", ())
    kept = replace(EXTRAS, names=tuple(spelling for field in known for spelling in (field.upper(), field)))
    return Dataset(name=name, seller=NAME, table=table, kind=kind, columns=(*columns, kept), **{**usual, **rest})


def json(name: str) -> Column:
    """A column of nested lists or objects, kept as JSON text."""
    return spelled(name, Cast.JSON)


def token_series(name: str, table: str, *columns: Column, **rest: Any) -> Dataset:
    """A series with one row per token and day; any past window can be bought."""
    usual = {**BY_TOKEN_AND_DAY, **DATED}
    return declare(name, table, Kind.SERIES, *TOKEN, DATE, *columns, **{**usual, **rest})


def token_snapshot(name: str, table: str, *columns: Column, **rest: Any) -> Dataset:
    """A snapshot with one row per token, of today."""
    usual = {**BY_TOKEN_AND_DAY, "grain": DAY, "lookback": 28}
    return declare(name, table, Kind.SNAPSHOT, *TOKEN, DATE, *columns, **{**usual, **rest})
