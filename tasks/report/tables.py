"""The page's tables: rows of figures as cells, amounts untouched as text, exact sums. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import reduce
from typing import Any

from tasks.calls.call import transaction_url
from tasks.ops.costs import plain
from tasks.report.charts import POSITIONS
from tasks.report.figures import FLIPS, PURCHASES, Row, TableCoverage
from tasks.report.heatmap import state_of

Cell = Any
"""Text or a number, None for unknown, or a mapping: text with href, mark (a badge), bar (percent), tone or title."""


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A heading; `exact` columns hold amounts, which the page repeats for machines."""

    title: str
    right: bool = False
    exact: bool = False
    wraps: bool = False

    @property
    def kind(self) -> str:
        """The class of its cells."""
        return " ".join(name for name, on in (("n", self.right), ("wrap", self.wraps)) if on)


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table with its caption; the first cell of a row is its heading."""

    caption: str
    columns: tuple[PageColumn, ...]
    rows: list[list[Cell]]
    foot: list[Cell] | None = None


def words(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title) for title in titles)


def numbers(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title, right=True) for title in titles)


def amounts(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title, right=True, exact=True) for title in titles)


def add(rows: Iterable[Row], name: str) -> str:
    """Add up exact amounts, as text: with more digits than any amount has, so that none is rounded away."""
    return str(plain(reduce(_EXACT.add, (Decimal(str(row[name])) for row in rows), Decimal(0))))


_EXACT = Context(prec=200)


def moment(text: str | None) -> str | None:
    """Shorten a time to its minute: "2026-11-29 06:15"."""
    return None if text is None else text[:16].replace("T", " ")


def flows(rows: Sequence[Row], totals: Sequence[Row]) -> PageTable:
    """A line per flow as `costs` has it, with totals where there is one asset."""
    columns = (
        *words("flow"),
        *amounts("amount"),
        *numbers("paid calls"),
        *amounts("in doubt", "lost"),
        *numbers("new rows", "calls saved"),
        *amounts("saved"),
    )
    names = ("in_doubt", "loss", "rows_new", "calls_avoided", "saved")

    def line(title: str, row: Row) -> list[Cell]:
        return [title, paid(row), row["calls_paid"], *(row[name] for name in names)]

    made, foot = [line(row["flow"], row) for row in rows], [line("total", one) for one in totals]
    if len(foot) > 1:
        return PageTable("All time, by flow; totals by asset below", columns, [*made, *foot])
    return PageTable("All time, by flow", columns, made, foot[0] if foot else None)


def months(rows: Iterable[Row]) -> PageTable:
    columns = (
        *words("month"),
        *amounts("amount"),
        *numbers("paid calls"),
        *amounts("in doubt", "lost"),
        *numbers("new rows"),
    )
    names = ("calls_paid", "in_doubt", "loss", "rows_new")
    made = [[row["month"][:7], paid(row), *(row[name] for name in names)] for row in rows]
    return PageTable("By month, newest first", columns, made)


def spending(rows: Sequence[Row], shown: dict[str, str], asset: str) -> PageTable:
    """A line per day, a column per flow that has a colour; the last column and the last line add up."""
    names = list(dict.fromkeys(shown.values()))
    days = sorted({row["day"] for row in rows}, reverse=True)

    def line(title: str, of: Sequence[Row]) -> list[Cell]:
        parts = ([row for row in of if shown[row["flow"]] == name] for name in names)
        return [title, *(add(part, "amount") if part else None for part in parts), add(of, "amount")]

    made = [line(day, [row for row in rows if row["day"] == day]) for day in days]
    caption = f"{asset} by day and flow, newest first"
    return PageTable(caption, (*words("day"), *amounts(*names, "total")), made, line("total", rows))


def new_rows(rows: Iterable[Row]) -> PageTable:
    columns = (
        *words("dataset"),
        *amounts("a new row", "amount"),
        *numbers("new rows", "calls saved"),
        *amounts("saved"),
    )
    names = ("rows_new", "calls_avoided", "saved")
    made = [
        [row["dataset"], short(row["amount_per_new_row"]), paid(row), *(row[name] for name in names)] for row in rows
    ]
    return PageTable("All time, by dataset", columns, made)


def short(quotient: str | None) -> Cell:
    """A quotient to four digits; the page keeps all of them beside it."""
    if quotient is None:
        return None
    text = format(Decimal(f"{Decimal(quotient):.4g}"), "f")
    return quotient if Decimal(text) == Decimal(quotient) else {"text": f"≈ {text}", "exact": quotient}


def paid(row: Row, name: str = "amount") -> Cell:
    """An exact amount with its asset."""
    return {"amount": row[name], "unit": row["asset"]}


def losses(rows: Sequence[Row]) -> PageTable:
    columns = (
        *words("when (UTC)"),
        *amounts("lost"),
        PageColumn("why", wraps=True),
        *words("dataset", "seller", "purchase", "transaction"),
    )
    made = [
        [
            moment(row["happened_at"]),
            paid(row, "loss"),
            row["why"],
            row["dataset"],
            row["seller"],
            {"text": row["purchase_id"], "title": row["purchase_id"]},
            transaction(row),
        ]
        for row in rows
    ]
    newest = f"The newest {PURCHASES} losses" if len(rows) == PURCHASES else "Every loss, newest first"
    return PageTable(newest, columns, made)


def purchases(rows: Sequence[Row]) -> PageTable:
    columns = (
        *words("when (UTC)"),
        *amounts("amount"),
        *words("dataset", "state", "flow"),
        *numbers("new rows"),
        *words("transaction"),
    )
    made = [
        [
            *(moment(row["happened_at"]), paid(row), row["dataset"], state(row)),
            *(row["flow"], row["rows_new"], transaction(row)),
        ]
        for row in rows
    ]
    newest = f"The newest {PURCHASES}" if len(rows) == PURCHASES else "Newest first"
    return PageTable(newest, columns, made)


def state(row: Row) -> Cell:
    """Say in a badge what became of a purchase's money and data."""
    if row["undelivered"]:
        return {"text": "undelivered", "mark": "bad"}
    if row["failure"] is not None:
        return {"text": "failed delivery", "mark": "bad"}
    if row["money"] == "exposed":
        return {"text": "in doubt", "mark": "warn"}
    if row["data"] == "delivered":
        return {"text": "delivered" if row["money"] == "spent" else f"delivered, {row['money']}", "mark": "good"}
    return {"text": row["money"], "mark": "neutral"}


def transaction(row: Row) -> Cell:
    """A link to the chain's explorer, or the hash where the chain has none."""
    if row["tx_hash"] is None:
        return None
    text, link = f"{row['tx_hash'][:10]}…", transaction_url(row["network"], row["tx_hash"])
    return {"text": text, "href": link} if link else {"text": text, "title": row["tx_hash"]}


def freshness(rows: Iterable[Row]) -> PageTable:
    columns = (
        *words("dataset", "state", "newest row", "last delivery", "next due"),
        *numbers("keys", "slots missing", "unreadable rows", "unusable bodies"),
    )
    times = ("newest_slot", "last_delivery", "expected_at")
    names = ("keys", "slots_missing", "rows_quarantined", "failed_bodies")
    made = [
        [row["dataset"], lateness(row), *(moment(row[time]) for time in times), *(row[name] for name in names)]
        for row in rows
    ]
    return PageTable("By dataset; times are UTC", columns, made)


def lateness(row: Row) -> Cell:
    if row["late"] is None:
        return {"text": "not scheduled", "mark": "neutral"}
    if row["late"]:
        return {"text": f"late: {row['keys_late']} of {row['keys']} keys", "mark": "warn"}
    return {"text": "fresh", "mark": "good"}


def coverage(table: TableCoverage) -> PageTable:
    """A line per token: days held, missing and confirmed empty; the gaps in words where there are few."""
    columns = (
        *words("token", "first day", "last day"),
        *numbers("held", "missing", "confirmed empty"),
        PageColumn("gaps", wraps=True),
    )
    names = ("symbol", "first", "last", "held", "missing", "empty")
    made = [[*(row[name] for name in names), _gaps(table, row["token_id"])] for row in table.states]
    return PageTable(f"Days of {table.table}, {table.first} to {table.last}", columns, made)


MOST_GAPS = 4


def _gaps(table: TableCoverage, token: int) -> str | None:
    missing = [run for run in table.runs if run["token_id"] == token and state_of(run["state"]) == "missing"]
    spans = [run["first"] if run["days"] == 1 else f"{run['first']} to {run['last']}" for run in missing]
    more = f" and {len(spans) - MOST_GAPS} more" if len(spans) > MOST_GAPS else ""
    return ", ".join(spans[:MOST_GAPS]) + more if spans else None


def flips(rows: Sequence[Row]) -> PageTable:
    columns = (*words("day", "token", "from", "to"), *numbers("price then, USD"))
    made = [
        [row["date"], row["symbol"], position(row["before"]), position(row["signal"]), price(row["price"])]
        for row in rows[:FLIPS]
    ]
    newest = f"The newest {FLIPS} of {len(rows)}" if len(rows) > FLIPS else "Newest first"
    return PageTable(newest, columns, made)


def position(signal: int | None) -> str:
    return "unknown" if signal is None else POSITIONS.get(signal, str(signal))


def price(value: float | None) -> str | None:
    """A price with as many digits as it needs: 97,213.00, 3.42, 0.0000123."""
    if value is None:
        return None
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"


def grades(rows: Sequence[Row]) -> PageTable:
    columns = (*words("token", "name"), *numbers("grade"), *numbers("24 h"), *words("signal", "momentum"))
    made = [
        [
            row["token_symbol"] or row["token_id"],
            row["token_name"],
            {"text": f"{row['tm_grade']:.1f}", "bar": max(0, min(100, round(row["tm_grade"])))},
            change(row["change"]),
            row["signal"],
            row["momentum"],
        ]
        for row in rows
    ]
    day = rows[0]["date"] if rows else ""
    return PageTable(f"Token Metrics grade of {day}, 0 to 100, highest first", columns, made)


def change(percent: float | None) -> Cell:
    if percent is None:
        return None
    return {
        "text": f"{percent:+.1f} %".replace("-", "−"),
        "tone": "up" if percent > 0 else "down" if percent < 0 else "muted",
    }
