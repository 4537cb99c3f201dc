"""One page of a group as it was delivered: a record of what its rows speak of, before anything is made of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sources.model import Dataset, Kind
from sources.planner.pieces import Group, group_of

if TYPE_CHECKING:
    from sources.parse.rows import Parsed

Cell = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Answered:
    """One page of a group, as delivered. `rows` counts what the body held; `cells` are those of its rows, in order; of
    a listing without a count, what tells its rows apart.

    `known` (for listings that grow at the top): a complete listing was held before, and this page's last row was in
    it. `readable` is False for a failed or malformed answer.
    """

    group: Group
    page: int
    received_at: datetime
    rows: int
    cells: tuple[Cell, ...]
    known: bool = False
    readable: bool = True


def answered(
    dataset: Dataset, context: Mapping[str, Any], received_at: datetime, parsed: Parsed, known: bool = False
) -> Answered:
    """The record of a delivery, from its context and its parsed body."""
    from sources.parse.rows import identities

    by_slot = dataset.kind is Kind.SERIES or dataset.rows_per_cell
    cells = parsed.cells(dataset) if by_slot else identities(dataset, parsed.table)
    readable = parsed.envelope == "ok"
    return Answered(group_of(context), context["page"], received_at, parsed.rows_in_body, cells, known, readable)
