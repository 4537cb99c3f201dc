"""The page's tables: rows of figures as cells, amounts untouched as text, exact sums. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from tasks.calls.call import transaction_url
from tasks.ops.costs import plain
from tasks.report.charts import POSITIONS
from tasks.report.figures import FLIPS, PURCHASES, Row, TableCoverage
from tasks.report.heatmap import state_of
from tasks.request.counted import total_of

Cell = Any
"""Text or a number, None for unknown, or a mapping: text with href, mark (a badge), bar (percent), tone or title."""


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A heading, and the cell that a row has under it: that of a name, or made of the row. `exact` columns hold
    amounts, which the page repeats for machines."""

    title: str
    cell: str | Callable[[Any], Cell]
    right: bool = False
    exact: bool = False
    wraps: bool = False

    @property
    def kind(self) -> str:
        """The class of its cells."""
        return " ".join(name for name, on in (("n", self.right), ("wrap", self.wraps)) if on)

    def of(self, row: Row) -> Cell:
        return row[self.cell] if isinstance(self.cell, str) else self.cell(row)


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table with its caption; the first cell of a row is its heading."""

    caption: str
    columns: tuple[PageColumn, ...]
    rows: list[list[Cell]]
    foot: list[Cell] | None = None


def page_table(caption: str, columns: Sequence[PageColumn], rows: Iterable[Row], foot: Row | None = None) -> PageTable:
    made = [[column.of(row) for column in columns] for row in rows]
    return PageTable(caption, tuple(columns), made, [column.of(foot) for column in columns] if foot else None)


def word(title: str, cell: str | Callable[[Row], Cell] = "") -> PageColumn:
    """A column of words; without a cell it is that of its title."""
    return PageColumn(title, cell or title)


def time(title: str, name: str) -> PageColumn:
    return PageColumn(title, lambda row: moment(row[name]))


def number(title: str, cell: str | Callable[[Row], Cell]) -> PageColumn:
    return PageColumn(title, cell, right=True)


def amount(title: str, cell: str | Callable[[Row], Cell]) -> PageColumn:
    return PageColumn(title, cell, right=True, exact=True)


def add(rows: Iterable[Row], name: str) -> str:
    """Add up exact amounts, as text."""
    return str(plain(total_of(rows, name)))


def moment(text: str | None) -> str | None:
    """Shorten a time to its minute: "2026-11-29 06:15"."""
    return None if text is None else text[:16].replace("T", " ")


def paid(row: Row, name: str = "amount") -> Cell:
    """An exact amount with its asset."""
    return {"amount": row[name], "unit": row["asset"]}


SPENT = (
    amount("amount", paid),
    number("paid calls", "calls_paid"),
    amount("in doubt", "in_doubt"),
    amount("lost", "loss"),
)
SAVED = (number("new rows", "rows_new"), number("calls saved", "calls_avoided"), amount("saved", "saved"))


def flows(rows: Sequence[Row], totals: Sequence[Row]) -> PageTable:
    """A line per flow as `costs` has it, with totals where there is one asset."""
    columns = (word("flow"), *SPENT, *SAVED)
    sums: list[Row] = [{**one, "flow": "total"} for one in totals]
    if len(sums) > 1:
        return page_table("All time, by flow; totals by asset below", columns, [*rows, *sums])
    return page_table("All time, by flow", columns, rows, sums[0] if sums else None)


def months(rows: Iterable[Row]) -> PageTable:
    columns = (word("month", lambda row: row["month"][:7]), *SPENT, SAVED[0])
    return page_table("By month, newest first", columns, rows)


def spending(rows: Sequence[Row], shown: dict[str, str], asset: str) -> PageTable:
    """A line per day, a column per flow that has a colour; the last column and the last line add up."""
    days = sorted({row["day"] for row in rows}, reverse=True)
    lines: list[Row] = [{"day": day, "rows": [row for row in rows if row["day"] == day]} for day in days]

    def of_flow(name: str, line: Row) -> str | None:
        part = [row for row in line["rows"] if shown[row["flow"]] == name]
        return add(part, "amount") if part else None

    columns = (
        word("day"),
        *(amount(name, partial(of_flow, name)) for name in dict.fromkeys(shown.values())),
        amount("total", lambda line: add(line["rows"], "amount")),
    )
    return page_table(f"{asset} by day and flow, newest first", columns, lines, {"day": "total", "rows": rows})


def new_rows(rows: Iterable[Row]) -> PageTable:
    columns = (
        word("dataset"),
        amount("a new row", lambda row: short(row["amount_per_new_row"])),
        amount("amount", paid),
        *SAVED,
    )
    return page_table("All time, by dataset", columns, rows)


def short(quotient: str | None) -> Cell:
    """A quotient to four digits; the page keeps all of them beside it."""
    if quotient is None:
        return None
    text = format(Decimal(f"{Decimal(quotient):.4g}"), "f")
    return quotient if Decimal(text) == Decimal(quotient) else {"text": f"≈ {text}", "exact": quotient}


def losses(rows: Sequence[Row]) -> PageTable:
    columns = (
        time("when (UTC)", "happened_at"),
        amount("lost", lambda row: paid(row, "loss")),
        PageColumn("why", "why", wraps=True),
        word("dataset"),
        word("seller"),
        word("purchase", lambda row: {"text": row["purchase_id"], "title": row["purchase_id"]}),
        word("transaction", transaction),
    )
    newest = f"The newest {PURCHASES} losses" if len(rows) == PURCHASES else "Every loss, newest first"
    return page_table(newest, columns, rows)


def purchases(rows: Sequence[Row]) -> PageTable:
    columns = (
        time("when (UTC)", "happened_at"),
        amount("amount", paid),
        word("dataset"),
        word("state", state),
        word("flow"),
        number("new rows", "rows_new"),
        word("transaction", transaction),
    )
    return page_table(f"The newest {PURCHASES}" if len(rows) == PURCHASES else "Newest first", columns, rows)


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
        word("dataset"),
        word("state", lateness),
        time("newest row", "newest_slot"),
        time("last delivery", "last_delivery"),
        time("next due", "expected_at"),
        number("keys", "keys"),
        number("slots missing", "slots_missing"),
        number("unreadable rows", "rows_quarantined"),
        number("unusable bodies", "failed_bodies"),
    )
    return page_table("By dataset; times are UTC", columns, rows)


def lateness(row: Row) -> Cell:
    if row["late"] is None:
        return {"text": "not scheduled", "mark": "neutral"}
    if row["late"]:
        return {"text": f"late: {row['keys_late']} of {row['keys']} keys", "mark": "warn"}
    return {"text": "fresh", "mark": "good"}


def coverage(table: TableCoverage) -> PageTable:
    """A line per token: days held, missing and confirmed empty; the gaps in words where there are few."""
    columns = (
        word("token", "symbol"),
        word("first day", "first"),
        word("last day", "last"),
        number("held", "held"),
        number("missing", "missing"),
        number("confirmed empty", "empty"),
        PageColumn("gaps", lambda row: _gaps(table, row["token_id"]), wraps=True),
    )
    return page_table(f"Days of {table.table}, {table.first} to {table.last}", columns, table.states)


MOST_GAPS = 4


def _gaps(table: TableCoverage, token: int) -> str | None:
    missing = [run for run in table.runs if run["token_id"] == token and state_of(run["state"]) == "missing"]
    spans = [run["first"] if run["days"] == 1 else f"{run['first']} to {run['last']}" for run in missing]
    more = f" and {len(spans) - MOST_GAPS} more" if len(spans) > MOST_GAPS else ""
    return ", ".join(spans[:MOST_GAPS]) + more if spans else None


def flips(rows: Sequence[Row]) -> PageTable:
    columns = (
        word("day", "date"),
        word("token", "symbol"),
        word("from", lambda row: position(row["before"])),
        word("to", lambda row: position(row["signal"])),
        number("price then, USD", lambda row: price(row["price"])),
    )
    newest = f"The newest {FLIPS} of {len(rows)}" if len(rows) > FLIPS else "Newest first"
    return page_table(newest, columns, rows[:FLIPS])


def position(signal: int | None) -> str:
    return "unknown" if signal is None else POSITIONS.get(signal, str(signal))


def price(value: float | None) -> str | None:
    """A price with as many digits as it needs: 97,213.00, 3.42, 0.0000123."""
    if value is None:
        return None
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"


def grades(rows: Sequence[Row]) -> PageTable:
    columns = (
        word("token", lambda row: row["token_symbol"] or row["token_id"]),
        word("name", "token_name"),
        number("grade", _grade),
        number("24 h", lambda row: change(row["change"])),
        word("signal"),
        word("momentum"),
    )
    day = rows[0]["date"] if rows else ""
    return page_table(f"Token Metrics grade of {day}, 0 to 100, highest first", columns, rows)


def _grade(row: Row) -> Cell:
    return {"text": f"{row['tm_grade']:.1f}", "bar": max(0, min(100, round(row["tm_grade"])))}


def change(percent: float | None) -> Cell:
    if percent is None:
        return None
    return {
        "text": f"{percent:+.1f} %".replace("-", "−"),
        "tone": "up" if percent > 0 else "down" if percent < 0 else "muted",
    }
