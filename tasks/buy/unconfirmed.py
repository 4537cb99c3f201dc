"""Cells that a run asked for and that were not delivered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.coverage.cell_state import NEVER
from sources.model import Kind
from sources.planner.grid import Span, gaps, merged
from sources.slots import start_of

if TYPE_CHECKING:
    from payer.values.purchase import Purchase
    from sources.model import Dataset
    from sources.planner.held import AbsentCells
    from tasks.buy.bill import Line


@dataclass(frozen=True, slots=True)
class UnconfirmedCells:
    """Cells of one dataset that were asked for and not delivered. `span` is their days as text; `again` says, as a
    person reads it, when or how they are asked for again."""

    dataset: str
    cells: int
    keys: tuple[str, ...]
    span: str
    again: str

    def document(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "cells": self.cells,
            "keys": list(self.keys),
            "span": self.span,
            "again": self.again,
        }


def unconfirmed_of(lines: Iterable[Line], purchases: Iterable[Purchase]) -> tuple[UnconfirmedCells, ...]:
    """The cells of these purchases that the bill's lines have as unconfirmed, a line per dataset.

    Days before a key's first row are left out: that a history begins is no fault of the answer.
    """
    asked: dict[tuple[str, str], list[Span]] = {}
    for purchase in purchases:
        context = purchase.order.context
        for key in context.get("keys", ()):
            asked.setdefault((purchase.order.dataset, key), []).append((context["first"], context["last"]))
    spans = {where: merged(slots) for where, slots in asked.items()}
    found = []
    for line in lines:
        cells = [part for part in line.unconfirmed if not part.before_first]
        slots = [(part, span) for part in cells for span in _common(part, spans.get((line.dataset, part.key), ()))]
        if slots:
            found.append(_summary(registry.dataset(line.dataset), slots))
    return tuple(found)


def _common(cells: AbsentCells, asked: Sequence[Span]) -> list[Span]:
    outside = gaps(asked, cells.first, cells.last)
    return list(gaps(outside, cells.first, cells.last)) if asked else []


def _summary(dataset: Dataset, slots: Sequence[tuple[AbsentCells, Span]]) -> UnconfirmedCells:
    spans = [span for _, span in slots]
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    edges = [f"{start_of(dataset, edge):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for edge in (first, last)]
    due = min(part.due for part, _ in slots)
    return UnconfirmedCells(
        dataset.name,
        sum(b - a + 1 for a, b in spans),
        tuple(dict.fromkeys(part.key for part, _ in slots)),
        edges[0] if first == last else f"{edges[0]} to {edges[1]}",
        _again(dataset, due),
    )


def _again(dataset: Dataset, due: int) -> str:
    if dataset.kind is not Kind.SERIES:
        repaired = registry.history_of(dataset)
        return f"its history, {repaired.name}, is asked for them" if repaired else "they can't be bought any more"
    if due == NEVER:
        return "`tollbook backfill … --again` asks for them"
    return f"asked for again from {start_of(dataset, due):%Y-%m-%d %H:%M}".removesuffix(" 00:00")
