"""The table of all datasets in docs/sources.md."""

from __future__ import annotations

from collections.abc import Iterator

from sources.model import DAY, HOUR, Dataset, Kind, Seller
from sources.registry import sellers

HEADINGS = ("dataset", "table", "what", "rows", "key", "asked for by", "a call takes", "settles", "from", "price cap")


def tables() -> str:
    """One Markdown table per seller, with a row per dataset."""
    return "\n\n".join(f"### {seller.name}\n\n{_table(seller)}" for seller in sellers())


def _table(seller: Seller) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(tuple(_cells(dataset)) for dataset in seller.datasets)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(dataset: Dataset) -> Iterator[str]:
    yield f"`{dataset.name}`"
    yield f"`{dataset.table}`"
    yield dataset.doc
    yield _kind(dataset)
    yield ", ".join(dataset.natural_key)
    yield _parameters(dataset)
    yield _limits(dataset)
    yield _settles(dataset)
    yield f"{dataset.since.day} ({dataset.since.evidence})" if dataset.since else ""
    yield "free" if dataset.free else f"${dataset.max_price}"


def _kind(dataset: Dataset) -> str:
    """Cadence and kind, and the dataset that repairs a missed slot."""
    rate = _every(dataset.grain)
    if dataset.kind is Kind.SERIES:
        return f"{rate} series" + ("" if dataset.window else ", by pages only")
    repair = f"; a missed one: `{dataset.repaired_by}`" if dataset.repaired_by else ""
    return f"{rate} {dataset.kind}{repair}"


def _every(seconds: int) -> str:
    if seconds % DAY == 0:
        return {1: "daily", 7: "weekly"}.get(seconds // DAY, f"{seconds // DAY}-day")
    return {1: "hourly"}.get(seconds // HOUR, f"{seconds // HOUR}-hour")


def _parameters(dataset: Dataset) -> str:
    """Fixed and variable parameters, and the method where it is not GET."""
    names = [f"`{dataset.packing.param}`"] if dataset.packing else []
    if dataset.window:
        names.append(f"`{dataset.window.start_param}`, `{dataset.window.end_param}`")
    names += (f"`{name}={value}`" for name, value in dataset.params.items())
    method = "" if dataset.method == "GET" else f"{dataset.method}, "
    return method + (", ".join(names) or "nothing")


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
    """The times when a row and an absence settle, counted from the end of the slot."""
    if dataset.kind is not Kind.SERIES:
        return "at once"
    return f"{_span(dataset.settle)}; absent {_span(dataset.patience)}"


def _span(seconds: int) -> str:
    return f"{seconds // DAY} d" if seconds and seconds % DAY == 0 else f"{seconds // HOUR} h"
