"""From the ledger's bodies to rows: everything that was delivered and not loaded, once, in whole batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from warehouse.cache import schema
from warehouse.cache.schema import tables
from warehouse.cache.store import Cache, Look
from warehouse.coverage import record as coverage
from warehouse.errors import WarehouseError
from warehouse.load import notes, report
from warehouse.load import parallel as readers
from warehouse.load.parse import Page, read
from warehouse.load.report import LoadReport
from warehouse.load.upsert import Counts, observe, withdraw

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader

MARGIN = 10_000
"""How far behind the newest loaded seq a delivery is still looked for: one may be committed after a larger one."""

BATCH_DELIVERIES = 1000
BATCH_BYTES = 32 << 20

Again = dict[str, set[str]]
"""Per table the loaded deliveries that are withdrawn and brought again, behind one that goes before them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One delivery that the cache has."""

    purchase_id: str
    dataset: str
    order: tuple[datetime, int]


class Outdated(WarehouseError):
    """The file's rows were made under other declarations, or hashed by another DuckDB: they can't be added to."""


def bring_in(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """Load what is missing. Bodies are read while the cache is closed; each batch is one transaction."""
    look = cache.remembered() or _look(cache)
    start, known = look.start, look.known
    index = ledger.delivery_index(start)
    if not known <= {purchase for _, purchase in index}:
        start, known = 0, _all_known(cache)
        index = ledger.delivery_index()
    missing = {purchase for _, purchase in index if purchase not in known}
    done = LoadReport()
    if missing:
        chunks = readers.in_chunks(ledger.deliveries(start, missing), BATCH_DELIVERIES, BATCH_BYTES)
        for pages in readers.pages(chunks, len(missing)):
            done = report.joined(done, _take_in(cache, ledger, pages))
    if not look.whole:
        with cache.open() as con:
            schema.write_meta(con, whole="yes")
    cache.remember(Look(start, known | missing, whole=True))
    return done


def _look(cache: Cache) -> Look:
    """What the cache knows of the ledger's newest deliveries."""
    with cache.open() as con:
        if why := schema.outdated(cache.meta):
            raise Outdated(why)
        highest = con.execute("SELECT max(seq) FROM loads").fetchall()[0][0] or 0
        start = max(highest - MARGIN, 0)
        known = con.execute("SELECT purchase_id FROM loads WHERE seq > ?", [start]).fetchall()
    return Look(start, {purchase for (purchase,) in known}, cache.meta["whole"] == "yes")


def _all_known(cache: Cache) -> set[str]:
    """For a ledger that lost deliveries the cache has, as one restored from a backup: its seqs start over."""
    with cache.open() as con:
        return {purchase for (purchase,) in con.execute("SELECT purchase_id FROM loads").fetchall()}


def _take_in(cache: Cache, ledger: LedgerReader, pages: list[Page]) -> LoadReport:
    """One batch. Deliveries that were loaded and observed later than one of it are brought again behind it."""
    again: Again = {}
    lost: set[str] = set()
    while True:
        cache.expect(sum(page.rows_in for page in pages))
        with cache.open() as con:
            if why := schema.outdated(cache.meta):
                raise Outdated(why)
            loaded = _loaded(con, pages)
            known = {own.purchase_id for own in loaded} & {page.purchase_id for page in pages}
            needed = _behind(pages, known, loaded, again, lost)
            if not needed:
                cache.make(con, {*again, *_by_table(pages)})
                return _commit(con, pages, known, again, in_order=not lost)
        for table, purchases in needed.items():
            found = list(read(ledger.deliveries(0, purchases)))
            pages = [*pages, *found]
            own = {page.purchase_id for page in found}
            again.setdefault(table, set()).update(own)
            lost |= purchases - own


def _loaded(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> list[Loaded]:
    """What there is of these deliveries, perhaps from another process a moment ago, and all that was observed with the
    first of them or later."""
    theirs, ids = schema.among("purchase_id", [page.purchase_id for page in pages])
    found = con.execute(
        f"SELECT purchase_id, dataset, observed_at, seq FROM loads WHERE {theirs} OR observed_at >= ?",
        [*ids, min(page.observed_at for page in pages)],
    ).fetchall()
    return [Loaded(purchase, dataset, (at, seq)) for purchase, dataset, at, seq in found]


def _behind(pages: Sequence[Page], known: set[str], loaded: Sequence[Loaded], again: Again, lost: set[str]) -> Again:
    """What else must be brought again, because one of these pages goes before it. The `lost` can't be."""
    needed: Again = {}
    for name, own in _by_table(pages).items():
        incoming = [page for page in own if page.purchase_id not in known]
        if incoming:
            datasets = tables()[name].datasets
            later = {one.purchase_id for one in loaded if one.dataset in datasets and one.order > incoming[0].order}
            needed[name] = later - again.get(name, set()) - lost
    return {name: purchases for name, purchases in needed.items() if purchases}


def _by_table(pages: Sequence[Page]) -> Mapping[str, list[Page]]:
    out: dict[str, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.dataset is not None:
            out.setdefault(page.dataset.table, []).append(page)
    return out


def _commit(
    con: duckdb.DuckDBPyConnection, pages: Sequence[Page], known: set[str], again: Again, *, in_order: bool
) -> LoadReport:
    """Rows, coverage and notes of one batch in one transaction. Closing the connection without it undoes all."""
    con.execute("BEGIN")
    replayed = {purchase for purchases in again.values() for purchase in purchases}
    for name, purchases in again.items():
        notes.note_rewind(con, name, [page for page in pages if page.purchase_id in purchases])
        withdraw(con, tables()[name], purchases)
    old = known - replayed
    pages = list({page.purchase_id: page for page in pages if page.purchase_id not in old}.values())
    counts: Counts = {}
    for name, own in _by_table(pages).items():
        counts |= observe(con, tables()[name], own, in_order=in_order)
    fresh = [page for page in pages if page.purchase_id not in replayed]
    coverage.record(con, pages)
    notes.note_quarantine(con, fresh)
    drift = notes.note_drift(con, fresh)
    notes.note_loads(con, pages, counts)
    crash_point("load.before_commit")
    con.execute("COMMIT")
    crash_point("load.after_commit")
    return report.of_pages(fresh, counts, drift)
