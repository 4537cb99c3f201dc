"""The record of one delivered page: which cells its rows belong to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sources.model import Dataset, Kind
from sources.parse.rows import ParsedBody, identities
from sources.planner.pieces import Group, group_of

Cell = tuple[str, int]
"""Key and slot."""


@dataclass(frozen=True, slots=True)
class DeliveredPage:
    """One page of a group, as delivered.

    `rows` counts every row of the body. `cells` holds the (key, slot) of each readable row, in the body's order; for
    a listing that may have any number of rows per key, each row's natural key instead. `known` (only for listings
    that grow at the top): a complete listing was held before, and this page's last row was in it. `readable` is False
    for a failed or malformed answer. `stated` is how many rows the answer says there are, None where it doesn't.
    """

    group: Group
    page: int
    received_at: datetime
    rows: int
    cells: tuple[Cell, ...]
    known: bool = False
    readable: bool = True
    stated: int | None = None


def delivered_page(
    dataset: Dataset,
    context: Mapping[str, Any],
    received_at: datetime,
    parsed: ParsedBody,
    stated: int | None = None,
) -> DeliveredPage:
    """Build the record of a delivery from its purchase's context (`Piece.context`) and its parsed body.

    Raises KeyError for a context that lacks a field.
    """
    counts_cells = dataset.kind is Kind.SERIES or dataset.rows_per_cell
    cells = parsed.cells(dataset) if counts_cells else identities(dataset, parsed.table)
    readable = parsed.envelope == "ok"
    group, rows = group_of(context), parsed.rows_in_body
    return DeliveredPage(group, context["page"], received_at, rows, cells, False, readable, stated)
