"""What all of Token Metrics' endpoints share (observed and documented, 2025): envelope, pages, windows, id lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sources.model import (
    DAY,
    EXTRAS,
    HOUR,
    Cast,
    Column,
    Dataset,
    Kind,
    Packing,
    Paging,
    Since,
    Window,
)

NAME = "tokenmetrics"

PAGES = Paging(rows=100)
"""Default 50, maximum 100 (documented)."""

WINDOW = Window("startDate", "endDate", days=29)
"""Inclusive at both ends (observed); 29 to 30 days apart at most (documented), so 29 calendar days are safe."""

TOKENS = Packing("token_id", ids=100)
"""Comma lists (documented); how many ids a call takes is not, so as many as fit a page."""

DAILY = {"grain": DAY, "settle": 6 * HOUR, "patience": 2 * DAY, "lookback": 28}
"""A day's row stands from 06:00 UTC of the next day; a day without a row is looked at for two days more. Looking back
28 days and at today makes one window."""

HOURLY = {"grain": HOUR, "settle": HOUR, "patience": 6 * HOUR, "lookback": 24}


LOWEST: Mapping[str, Any] = {"max_price": "0.034"}
MIDDLE: Mapping[str, Any] = {"max_price": "0.068"}
HIGHEST: Mapping[str, Any] = {"max_price": "0.10"}
"""Ceilings for a call: twice what a public client's undated comments say it costs, which is 0.017, 0.034 or 0.068 USDC;
of the highest, less than twice. Where no price was ever seen, the highest holds."""

GRADED = date(2021, 1, 1)
"""The day of the oldest trader grades seen; of the other grades nothing older was."""

FOUNDED = Since(date(2017, 1, 1))
"""Bitcoin's returns of holding, as a signal of 2025 gave them, reach back to early 2017, and nothing tells of anything
older. How deep the history of most datasets goes is not known: this refuses only what can't be there."""


def spelled(name: str, cast: Cast, *names: str, doc: str = "", expected: bool = True) -> Column:
    """A column under its v2 spelling (upper case) and its v3 spelling (lower case), and any others."""
    usual = (name.upper(), name)
    return Column(name, cast, (*names, *(own for own in usual if own not in names)), doc, expected=expected)


def floats(*names: str, expected: bool = True) -> tuple[Column, ...]:
    """Number columns whose names are the seller's in lower case."""
    return tuple(spelled(name, Cast.FLOAT, expected=expected) for name in names)


def texts(*names: str, expected: bool = True) -> tuple[Column, ...]:
    """Text columns whose names are the seller's in lower case."""
    return tuple(spelled(name, Cast.TEXT, expected=expected) for name in names)


TOKEN_ID = spelled("token_id", Cast.INTEGER, doc="the seller's id: symbols are not unique")
TOKEN = (TOKEN_ID, *texts("token_name", "token_symbol"))
DATE = Column("date", Cast.DATE, ("DATE", "date", "TIMESTAMP", "timestamp"), "UTC day of the row")
HOUR_OF = Column("timestamp", Cast.TIMESTAMP, ("TIMESTAMP", "timestamp", "DATE", "date"), "UTC hour of the row")
AS_OF = Column("as_of", Cast.DATE, (), "UTC day on which the row was observed; the seller doesn't date it")


def declare(name: str, table: str, kind: Kind, *columns: Column, **rest: Any) -> Dataset:
    """A dataset under the shared envelope. Path and paging are the usual ones unless said otherwise."""
    usual: Mapping[str, Any] = {"path": f"/{name}", "paging": PAGES, "success": {"success": True}, **HIGHEST}
    return Dataset(name=name, seller=NAME, table=table, kind=kind, columns=(*columns, EXTRAS), **{**usual, **rest})


def json(name: str) -> Column:
    """Nested lists and objects, kept as JSON text."""
    return spelled(name, Cast.JSON)


def token_series(name: str, table: str, *columns: Column, **rest: Any) -> Dataset:
    """One row per token and day, any past window for sale."""
    usual = {
        "natural_key": ("token_id", "date"),
        "time_column": "date",
        "key_column": "token_id",
        "packing": TOKENS,
        "window": WINDOW,
        "since": FOUNDED,
        **DAILY,
    }
    return declare(name, table, Kind.SERIES, *TOKEN, DATE, *columns, **{**usual, **rest})


def token_snapshot(name: str, table: str, *columns: Column, **rest: Any) -> Dataset:
    """One row per token, as it is today."""
    usual = {
        "natural_key": ("token_id", "date"),
        "time_column": "date",
        "key_column": "token_id",
        "packing": TOKENS,
        "grain": DAY,
        "lookback": 28,
    }
    return declare(name, table, Kind.SNAPSHOT, *TOKEN, DATE, *columns, **{**usual, **rest})
