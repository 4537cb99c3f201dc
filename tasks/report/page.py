"""Fill the page's template with figures, funds and drawings: one self-contained HTML text, without scripts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from importlib import import_module
from importlib.resources import files
from typing import Any

from payer.values.errors import Misconfigured
from tasks.report import charts, heatmap, tables
from tasks.report.figures import SPENDING_DAYS, Figures, Row, TableCoverage
from tasks.report.tables import add, moment
from tasks.report.wallet import Funds, cap_words
from tasks.request.counted import counted

LIBRARIES = ("altair", "jinja2", "vl_convert")
"""Of the extra `report`."""
PANELS = 12
"""Tokens whose signals are drawn, those of the watch list first."""
NETWORKS = {"eip155:8453": "Base", "eip155:84532": "Base Sepolia", "eip155:31337": "sandbox chain"}


def check_installed() -> None:
    """Raise Misconfigured with the command that installs the extra where a library of the page is missing."""
    try:
        for library in LIBRARIES:
            import_module(library)
    except ImportError as missing:
        raise Misconfigured(
            f"the page can't be drawn: {missing.name} is missing; no money was sent",
            advice="install tollbook with its extra: `pip install 'tollbook[report]'`; without --html it needs nothing",
        ) from None


def render(figures: Figures, funds: Funds, at: str, watched: Collection[int], stale: str | None = None) -> str:
    """Make the page of a time, ISO 8601 in UTC. Everything that a seller said is escaped."""
    import jinja2
    from altair.utils.schemapi import debug_mode

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tasks", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": moment, "cap_words": cap_words}
    css = files(__package__).joinpath("page.css").read_text("utf-8")
    with debug_mode(False):  # checking each datum against Vega-Lite's schema takes longer than drawing it
        page = _sections(figures, funds, at, watched, stale)
    return environment.get_template("page.html.jinja").render(page=page, css=css)


def _sections(figures: Figures, funds: Funds, at: str, watched: Collection[int], stale: str | None) -> dict[str, Any]:
    return {
        "at": at,
        "day": at[:10],
        "network": ", ".join(
            dict.fromkeys(NETWORKS.get(one["network"]) or str(one["network"]) for one in figures.totals)
        ),
        "stale": stale,
        "published_at": figures.published_at,
        "nothing_yet": figures.nothing_yet,
        "lost": figures.lost,
        "losses": tables.losses(figures.losses),
        "tiles": list(_tiles(figures, funds, at[:10])),
        "spending": list(_spending(figures, funds)),
        "months": tables.months(figures.months),
        "funds": funds,
        "flows": tables.flows(figures.by_flow, figures.totals),
        "new_rows": tables.new_rows(figures.new_rows),
        "coverage": [_coverage(table, watched) for table in figures.coverage if table.runs],
        "freshness": tables.freshness(figures.freshness),
        **_signals(figures, watched),
        "grades": tables.grades(figures.grades),
        "purchases": tables.purchases(figures.latest),
    }


def _tile(title: str, values: list[tuple[str, str]], note: str = "", name: str = "") -> dict[str, Any]:
    return {
        "title": title,
        "figures": [{"text": text, "unit": unit} for text, unit in values],
        "note": note,
        "id": name,
    }


def _tiles(figures: Figures, funds: Funds, day: str) -> Iterator[dict[str, Any]]:
    """The key figures, of each asset that something was paid in."""
    totals = figures.totals
    yield _tile(
        "spent in all",
        [(one["amount"], one["asset"]) for one in totals],
        counted(sum(one["calls_paid"] for one in totals), "paid call", group=","),
        "spent",
    )
    yield _tile("spent this month", _of(figures.months, "month", f"{day[:7]}-01", totals), day[:7])
    yield _tile("spent today", _of(figures.by_day, "day", day, totals), f"{day} UTC")
    yield _balance(funds)
    calls = sum(one["calls_avoided"] for one in totals)
    yield _tile(
        "saved by the cache",
        [(one["saved"], one["asset"]) for one in totals],
        f"{counted(calls, 'call', group=',')} not made",
        "saved",
    )
    rows = sum(one["rows_new"] for one in totals)
    note = f"rounded; {counted(rows, 'new row', group=',')}"
    yield _tile("per new row", [(per_row(one), one["asset"]) for one in totals], note)


def _balance(funds: Funds) -> dict[str, Any]:
    held = [one for one in funds.balances if one.held is not None]
    if not held:
        return _tile("balance", [("unknown", "")], "the chain did not answer" if funds.balances else "not asked for")
    words = [f"lasts {one.lasts}" if one.days is not None else one.lasts for one in held]
    return _tile("balance", [(str(one.held), one.asset) for one in held], "; ".join(words))


def _of(rows: list[Row], name: str, value: str, totals: list[Row]) -> list[tuple[str, str]]:
    found = {(row["network"], row["asset"]): row["amount"] for row in rows if row[name] == value}
    return [(found.get((one["network"], one["asset"]), "0"), one["asset"]) for one in totals]


def per_row(total: Row) -> str:
    """The cost of a new row to three digits; exact figures are in the table by dataset."""
    if not total["rows_new"]:
        return "unknown"
    each = Decimal(total["amount"]) / total["rows_new"]
    return f"{Decimal(f'{each:.3g}'):f}"


def _spending(figures: Figures, funds: Funds) -> Iterator[dict[str, Any]]:
    """A chart and a table for each asset."""
    caps = dict(funds.per_day)
    for total in figures.totals:
        key = total["network"], total["asset"]
        rows = [row for row in figures.spending if (row["network"], row["asset"]) == key]
        if not rows:
            continue
        asset, cap, shown = total["asset"], caps.get(total["asset"]), charts.by_rank(rows)
        yield {
            "text": _spending_text(rows, total, asset, cap),
            "chart": charts.spending(rows, cap, asset),
            "cap_drawn": charts.cap_is_near(rows, cap),
            "legend": list(dict.fromkeys(shown.values())),
            "table": tables.spending(rows, shown, asset),
        }


def _spending_text(rows: list[Row], total: Row, asset: str, cap: str | None) -> str:
    first, last, part = min(row["day"] for row in rows), max(row["day"] for row in rows), add(rows, "amount")
    said = f"{part} {asset}, {first} to {last}" if first != last else f"{part} {asset} on {first}"
    if Decimal(part) != Decimal(total["amount"]):
        said += f", the last {SPENDING_DAYS} days of {total['amount']} {asset} in all"
    if cap is None:
        return f"{said}."
    return f"{said}. The cap of a day is {cap} {asset}" + ("." if charts.cap_is_near(rows, cap) else ", far above.")


def _coverage(table: TableCoverage, watched: Collection[int]) -> dict[str, Any]:
    tokens = _in_order([row["token_id"] for row in table.states], watched)
    held, missing = (sum(row[name] for row in table.states) for name in ("held", "missing"))
    text = f"{len(tokens)} tokens, {table.first} to {table.last}: {held:,} days held, {missing:,} missing"
    if len(tokens) > heatmap.MOST_TOKENS:
        text += f"; {heatmap.MOST_TOKENS} of them are drawn"
    weekly = heatmap.by_week(table.runs)
    if weekly:
        text += "; drawn week by week"
    return {
        "table": table.table,
        "text": f"{text}.",
        "chart": heatmap.coverage(table, tokens),
        "numbers": tables.coverage(table),
        "weekly": weekly,
    }


def _in_order(tokens: list[int], watched: Collection[int]) -> list[int]:
    """The watch list's tokens first, in its order; then the others."""
    first = [token for token in watched if token in set(tokens)]
    return [*first, *(token for token in tokens if token not in set(first))]


def _signals(figures: Figures, watched: Collection[int]) -> dict[str, Any]:
    symbols = {row["token_id"]: row["symbol"] for row in figures.signals}
    tokens = _in_order(list(symbols), watched)
    panels = [_panel(figures, token, symbols[token]) for token in tokens[:PANELS]]
    text = "The price in USD over the position that the signal asked for; a mark is a flip."
    if len(tokens) > PANELS:
        text += f" {PANELS} of {len(tokens)} tokens are drawn."
    if not figures.prices:
        text = "The position that the signal asked for. No price was bought for these days."
    return {"panels": panels, "panels_text": text, "flips": tables.flips(figures.flips)}


def _panel(figures: Figures, token: int, symbol: str | None) -> dict[str, Any]:
    positions, prices, flips = (
        [row for row in rows if row["token_id"] == token] for rows in (figures.signals, figures.prices, figures.flips)
    )
    newest = positions[-1]
    text = f"{tables.position(newest['signal'])} since {newest['first']}"
    return {"symbol": symbol or token, "text": text, "chart": charts.signals(positions, prices, flips)}
