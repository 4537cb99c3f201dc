"""Read what was spent and what the cache saved from the published cost views; export the books from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.calls.call import transaction_url
from tasks.request.model import Period
from tasks.workspace.workspace import Workspace
from warehouse.publish.views.catalog import view_query
from warehouse.query import queries

VIEWS = {
    "flow": "cost_by_flow",
    "day": "cost_by_day",
    "month": "cost_by_month",
    "dataset": "cost_by_dataset",
    "purchase": "costs",
}


@dataclass(frozen=True, slots=True)
class CostTable:
    """Rows of a cost view: amounts are exact text in the asset, times ISO 8601 in UTC.

    `stale` says why they are older than the ledger, None where they are not; `first` and `last` are the days of the
    oldest and newest purchase in them.
    """

    rows: list[dict[str, Any]]
    stale: str | None = None
    first: str | None = None
    last: str | None = None


ALWAYS = Period()


def is_published(home: Path) -> bool:
    """True if a home has a published file."""
    return (home / "published" / "warehouse.duckdb").exists()


def published_costs(ws: Workspace, by: str, period: Period = ALWAYS) -> CostTable:
    """Return a cost view as it was published, of purchases that settled or, until then, were ordered in the period.

    A purchase has `tx_url`, its transaction's page at the chain's public explorer, None where there is none.
    """
    when, then = (
        "(coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE",
        "(avoided_at AT TIME ZONE 'UTC')::DATE",
    )
    parts = (
        f"costs AS (SELECT * FROM main.costs WHERE {_within(when, period)})",
        f"avoided AS (SELECT * FROM main.avoided WHERE {_within(then, period)})",
    )
    in_order = "FROM costs ORDER BY coalesce(block_time, created_at), purchase_id"
    asked = in_order if by == "purchase" else view_query(VIEWS[by])
    since = (
        f"min({when}) AS first, max({when}) AS last, (SELECT ledger_seq FROM publication) AS seq, {PUBLISHED_AT} AS at"
    )
    rows, [shown] = views(
        ws.home, f"WITH {', '.join(parts)} SELECT * FROM ({asked})", f"WITH {parts[0]} SELECT {since} FROM costs"
    )
    if by == "purchase":
        rows = [{**row, "tx_url": transaction_url(row["network"], row["tx_hash"])} for row in rows]
    return CostTable(rows, _behind(ws, shown["seq"], shown["at"]), shown["first"], shown["last"])


def _within(day: str, period: Period) -> str:
    """The condition that a day is in the period."""
    first = f"{day} >= DATE '{period.first}'" if period.first else "true"
    return f"{first} AND {day} <= DATE '{period.last}'" if period.last else first


def _behind(ws: Workspace, shown_seq: int, at: str) -> str | None:
    """Say that the ledger has events that are not published, and since when that is so."""
    try:
        if ws.ledger.last_seq() <= shown_seq:
            return None
        reason = "the ledger has newer events: the next run or `tollbook rebuild` publishes them"
    except (LedgerUnavailable, Misconfigured) as error:
        reason = str(error).strip().splitlines()[0]
    return stale_text(reason, at)


PUBLISHED_AT = "(SELECT strftime(published_at, '%Y-%m-%d %H:%M UTC') FROM publication)"


def stale_text(reason: str, at: str) -> str:
    """Say why what is shown is older than the ledger, and of when it is."""
    return f"not brought up to date ({reason}): this is what was published on {at}"


def view(home: Path, select: str) -> list[dict[str, Any]]:
    """Return the rows of a query over the published file, in types that JSON has."""
    [rows] = views(home, select)
    return rows


def views(home: Path, *selects: str) -> list[list[dict[str, Any]]]:
    """Return the rows of several queries over one publication."""
    answers = queries(home, *((select, ()) for select in selects))
    return [[dict(zip(names, map(plain, row), strict=True)) for row in rows] for names, rows in answers]


def plain(value: Any) -> Any:
    """Return atomic units as integers, other decimals as text without trailing zeros, dates and times as ISO 8601."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value
