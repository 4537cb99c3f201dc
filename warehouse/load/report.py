"""The report of a load: row counts in all and per dataset, drift, failed bodies, notes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import add, attrgetter
from typing import TYPE_CHECKING

from sources.parse.envelope import Envelope

if TYPE_CHECKING:
    import duckdb

    from warehouse.coverage.page import Page


@dataclass(frozen=True, slots=True)
class Drifted:
    """A column of a dataset that was new, vanished or changed, first seen by this load."""

    dataset: str
    column: str
    change: str
    detail: str

    def __str__(self) -> str:
        return f"{self.dataset}: {self.column} {self.change}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """A body that was no answer: its purchase, and the message of the seller or the parser."""

    purchase_id: str
    dataset: str
    message: str


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Deliveries and their rows. `failed` counts bodies that were no answer at all."""

    deliveries: int = 0
    rows_in: int = 0
    rows_new: int = 0
    rows_changed: int = 0
    quarantined: int = 0
    failed: int = 0

    def plus(self, other: RowCounts) -> RowCounts:
        return RowCounts(*map(add, _COUNTS(self), _COUNTS(other)))


_NAMES = [each.name for each in fields(RowCounts)]
_COUNTS = attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class LoadReport(RowCounts):
    """One load in all, and per dataset. `notes` say what was rebuilt, and what was forgiven in bodies."""

    per_dataset: Mapping[str, RowCounts] = field(default_factory=dict)
    drift: tuple[Drifted, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


def summed(
    per_dataset: Mapping[str, RowCounts],
    drift: tuple[Drifted, ...] = (),
    failures: tuple[Failure, ...] = (),
    notes: tuple[str, ...] = (),
) -> LoadReport:
    """The report whose totals are the sums over its datasets."""
    total = RowCounts()
    for one in per_dataset.values():
        total = total.plus(one)
    counts = dict(zip(_NAMES, _COUNTS(total), strict=True))
    return LoadReport(**counts, per_dataset=per_dataset, drift=drift, notes=notes, failures=failures)


def joined(one: LoadReport, other: LoadReport) -> LoadReport:
    """Both loads as one report, each note once."""
    per_dataset = dict(one.per_dataset)
    for name, counts in other.per_dataset.items():
        per_dataset[name] = per_dataset.get(name, RowCounts()).plus(counts)
    notes = tuple(dict.fromkeys(one.notes + other.notes))
    return summed(per_dataset, one.drift + other.drift, one.failures + other.failures, notes)


def of_pages(pages: Sequence[Page], counts: Mapping[str, tuple[int, int]], drift: tuple[Drifted, ...]) -> LoadReport:
    """The report of one batch; `counts` are new and changed rows per purchase."""
    per_dataset: dict[str, RowCounts] = {}
    no_answer = [page for page in pages if page.envelope != Envelope.OK and not page.lost]
    failures = [Failure(page.purchase_id, page.name, page.message) for page in no_answer]
    for page in pages:
        new, changed = counts.get(page.purchase_id, (0, 0))
        failed = int(page.envelope != Envelope.OK)
        one = RowCounts(1, page.rows_in, new, changed, page.rows_quarantined, failed)
        per_dataset[page.name] = per_dataset.get(page.name, RowCounts()).plus(one)
    return summed(per_dataset, drift, tuple(failures), _notes(pages))


def _notes(pages: Sequence[Page]) -> tuple[str, ...]:
    """Say what was forgiven in the bodies, once per dataset, with the first purchase that showed it."""
    notes: dict[str, str] = {}
    for page in pages:
        for note in page.parsed.notes if page.parsed else ():
            notes.setdefault(f"{page.name}: {note}", page.purchase_id)
    return tuple(f"{note} (first in {purchase})" for note, purchase in notes.items())


def recount(con: duckdb.DuckDBPyConnection, earlier: Collection[str]) -> LoadReport:
    """The report of a load of every delivery in the cache but the earlier purchases."""
    rows = con.execute(
        """SELECT dataset, count(*), sum(rows_in), sum(rows_new), sum(rows_changed), sum(rows_quarantined),
                  count(*) FILTER (envelope <> 'ok')
           FROM loads WHERE purchase_id NOT IN (SELECT unnest(?::VARCHAR[])) GROUP BY dataset""",
        [list(earlier)],
    ).fetchall()
    return summed({name: RowCounts(*map(int, counts)) for name, *counts in rows})
