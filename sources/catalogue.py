"""The table of everything that can be bought, as docs/sources.md shows it: `python -m sources.catalogue`."""

from __future__ import annotations

from collections.abc import Iterator

from sources.model import DAY, HOUR, Dataset, Kind, Seller
from sources.registry import sellers

HEADINGS = ("dataset", "table", "what", "rows", "key", "asked for by", "a call takes", "settles", "from", "price cap")


def tables() -> str:
    """One Markdown table per seller."""
    return "\n\n".join(f"### {own.name}\n\n{_table(own)}" for own in sellers())


def _table(own: Seller) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(tuple(_cells(dataset)) for dataset in own.datasets)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(dataset: Dataset) -> Iterator[str]:
    yield f"`{dataset.name}`"
    yield f"`{dataset.table}`"
    yield dataset.doc
    yield _kind(dataset)
    yield ", ".join(dataset.natural_key)
    yield _asked_for_by(dataset)
    yield _limits(dataset)
    yield _settles(dataset)
    yield f"{dataset.since.day} ({dataset.since.evidence})" if dataset.since else ""
    yield "free" if dataset.free else f"${dataset.max_price}"


def _kind(dataset: Dataset) -> str:
    """How often there is something new, and what a missed slot means."""
    rate = _every(dataset.grain)
    if dataset.kind is Kind.SERIES:
        return f"{rate} series" + ("" if dataset.window else ", by pages only")
    gone = f"; a missed one: `{dataset.repaired_by}`" if dataset.repaired_by else ""
    return f"{rate} {dataset.kind}{gone}"


def _every(seconds: int) -> str:
    if seconds % DAY == 0:
        return {1: "daily", 7: "weekly"}.get(seconds // DAY, f"{seconds // DAY}-day")
    return {1: "hourly"}.get(seconds // HOUR, f"{seconds // HOUR}-hour")


def _asked_for_by(dataset: Dataset) -> str:
    asked = [f"`{dataset.packing.param}`"] if dataset.packing else []
    if dataset.window:
        asked.append(f"`{dataset.window.start_param}`, `{dataset.window.end_param}`")
    asked += (f"`{name}={value}`" for name, value in dataset.params.items())
    how = "" if dataset.method == "GET" else f"{dataset.method}, "
    return how + (", ".join(asked) or "nothing")


def _limits(dataset: Dataset) -> str:
    limits = []
    if dataset.packing:
        limits.append("1 key" if dataset.packing.ids == 1 else f"{dataset.packing.ids} keys")
    if dataset.window:
        limits.append(f"{dataset.window.days} days")
    if dataset.paging:
        depth = f", {dataset.paging.depth} page" if dataset.paging.depth else ""
        limits.append(f"{dataset.paging.rows} rows{depth}")
    return ", ".join(limits) or "no limit"


def _settles(dataset: Dataset) -> str:
    """When a row no longer moves, and when its absence is believed; both counted from the end of its slot."""
    if dataset.kind is not Kind.SERIES:
        return "at once"
    return f"{_span(dataset.settle)}; absent {_span(dataset.patience)}"


def _span(seconds: int) -> str:
    return f"{seconds // DAY} d" if seconds and seconds % DAY == 0 else f"{seconds // HOUR} h"


if __name__ == "__main__":
    print(tables())
