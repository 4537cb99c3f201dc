"""Load the deliveries that the ledger has and the cache lacks: each once, in whole batches, in order of observation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from warehouse.cache.generation import outdated, write_meta
from warehouse.cache.sql import among, parsed
from warehouse.cache.store import Cache, KnownDeliveries
from warehouse.cache.tables import declared_tables
from warehouse.coverage.page import Page
from warehouse.coverage.record import record
from warehouse.errors import WarehouseError
from warehouse.load import bookkeeping, parallel, report
from warehouse.load.parse import read
from warehouse.load.report import LoadReport
from warehouse.load.upsert import Counts, delete_deliveries, upsert

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader

MARGIN = 10_000
"""Distance below the newest loaded seq in which deliveries are looked for: one may be committed after a larger one."""

BATCH_DELIVERIES = 1000
BATCH_BYTES = 32 << 20

Replays = dict[str, set[str]]
"""Per table the loaded deliveries that are deleted and loaded again after one that precedes them."""


@dataclass(frozen=True, slots=True)
class LoadedDelivery:
    """One delivery that is in the cache."""

    purchase_id: str
    dataset: str
    order: tuple[datetime, int]


class Outdated(WarehouseError):
    """The file's rows were made under other declarations or another hash function: they can't be added to."""


def load_missing(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """Load what is missing. Bodies are read while the cache is closed; each batch is one transaction.

    Raises Outdated, CacheDamaged, or DuckDB's error.
    """
    before = cache.remembered() or _known_deliveries(cache)
    start, purchases = before.start, before.purchases
    index = ledger.delivery_index(start)
    if not purchases <= {purchase for _, purchase in index}:
        # The ledger lost deliveries, as one does that is restored from a backup: its seqs start over.
        with cache.open() as con:
            start, purchases = 0, all_loaded(con)
        index = ledger.delivery_index()
    known = KnownDeliveries(start, purchases, before.complete, before.newest)
    missing = {purchase for _, purchase in index if purchase not in purchases}
    done = LoadReport()
    if missing:
        chunks = parallel.in_chunks(ledger.deliveries(start, missing), BATCH_DELIVERIES, BATCH_BYTES)
        for pages in parallel.read_chunks(chunks, len(missing)):
            known = _with(known, pages)
            done = report.joined(done, _load_batch(cache, ledger, pages, known))
    if not before.complete:
        with cache.open() as con:
            write_meta(con, whole="yes")
            cache.meta = {**cache.meta, "whole": "yes"}
            cache.remember(replace(known, complete=True))
    return done


def _known_deliveries(cache: Cache) -> KnownDeliveries:
    """The newest loaded deliveries."""
    with cache.open() as con:
        if why := outdated(cache.meta):
            raise Outdated(why)
        [(highest, newest)] = con.execute("SELECT max(seq), max(observed_at) FROM loads").fetchall()
        start = max((highest or 0) - MARGIN, 0)
        rows = con.execute("SELECT purchase_id FROM loads WHERE seq > ?", [start]).fetchall()
        known = KnownDeliveries(start, {purchase for (purchase,) in rows}, cache.meta["whole"] == "yes", newest)
        cache.remember(known)
    return known


def _with(known: KnownDeliveries, pages: Sequence[Page]) -> KnownDeliveries:
    """The known deliveries once these pages are loaded."""
    newest = max(page.observed_at for page in pages)
    purchases = known.purchases | {page.purchase_id for page in pages}
    return replace(known, purchases=purchases, newest=max(newest, known.newest or newest))


def all_loaded(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Every purchase that is loaded."""
    return {purchase for (purchase,) in con.execute("SELECT purchase_id FROM loads").fetchall()}


def _load_batch(cache: Cache, ledger: LedgerReader, pages: list[Page], known: KnownDeliveries) -> LoadReport:
    """Load one batch, and replay the loaded deliveries that were observed after one of it. `known` are all then.

    Bodies to replay are read from the ledger while the cache is closed; the batch is then looked at again, as another
    process may have loaded meanwhile.
    """
    replays: Replays = {}
    unavailable: set[str] = set()
    while True:
        cache.expect(sum(page.rows_in for page in pages))
        with cache.open() as con:
            if why := outdated(cache.meta):
                raise Outdated(why)
            loaded = [] if _is_news(cache.known, pages) else _loaded(con, pages)
            already = {delivery.purchase_id for delivery in loaded} & {page.purchase_id for page in pages}
            needed = _to_replay(pages, already, loaded, replays, unavailable)
            if not needed:
                cache.create_tables(con, {*replays, *_by_table(pages)})
                done = _commit(con, pages, already, replays, in_order=not unavailable)
                cache.remember(known)
                return done
        for table, purchases in needed.items():
            earlier = list(read(ledger.deliveries(0, purchases)))
            pages = [*pages, *earlier]
            available = {page.purchase_id for page in earlier}
            replays.setdefault(table, set()).update(available)
            unavailable |= purchases - available


def _is_news(known: KnownDeliveries | None, pages: Sequence[Page]) -> bool:
    """True when none of the pages is loaded, nor anything that was observed with the first or later."""
    if known is None or known.newest is None:
        return False
    return all(page.observed_at > known.newest and page.purchase_id not in known.purchases for page in pages)


def _loaded(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> list[LoadedDelivery]:
    """Those of the batch that are loaded, perhaps by another process a moment ago, and all that were observed with its
    first delivery or later."""
    in_batch, ids = among("purchase_id", [page.purchase_id for page in pages])
    query = f"SELECT purchase_id, dataset, observed_at, seq FROM loads WHERE {in_batch} OR observed_at >= ?"
    first = min(page.observed_at for page in pages)
    rows = con.execute(parsed(con, query), [*ids, first]).fetchall()
    return [LoadedDelivery(purchase, dataset, (at, seq)) for purchase, dataset, at, seq in rows]


def _to_replay(
    pages: Sequence[Page],
    already: Collection[str],
    loaded: Sequence[LoadedDelivery],
    replays: Replays,
    unavailable: Collection[str],
) -> Replays:
    """Deliveries to replay besides `replays`, because a new page precedes them. The `unavailable` can't be."""
    needed: Replays = {}
    for name, table_pages in _by_table(pages).items():
        incoming = [page for page in table_pages if page.purchase_id not in already]
        if incoming:
            datasets, first = declared_tables()[name].datasets, incoming[0].order
            later = {each.purchase_id for each in loaded if each.dataset in datasets and each.order > first}
            needed[name] = later - replays.get(name, set()) - set(unavailable)
    return {name: purchases for name, purchases in needed.items() if purchases}


def _by_table(pages: Sequence[Page]) -> Mapping[str, list[Page]]:
    """Pages of declared datasets per table, in order of observation."""
    grouped: dict[str, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.dataset is not None:
            grouped.setdefault(page.dataset.table, []).append(page)
    return grouped


def _commit(
    con: duckdb.DuckDBPyConnection, pages: Sequence[Page], already: set[str], replays: Replays, *, in_order: bool
) -> LoadReport:
    """Write rows, coverage and bookkeeping of one batch in one transaction; closing the connection before COMMIT undoes
    all of it."""
    con.execute("BEGIN")
    replayed = {purchase for purchases in replays.values() for purchase in purchases}
    for name, purchases in replays.items():
        bookkeeping.insert_rewind(con, name, [page for page in pages if page.purchase_id in purchases])
        delete_deliveries(con, declared_tables()[name], purchases)
    unchanged = already - replayed
    pages = list({page.purchase_id: page for page in pages if page.purchase_id not in unchanged}.values())
    counts: Counts = {}
    for name, table_pages in _by_table(pages).items():
        counts |= upsert(con, declared_tables()[name], table_pages, in_order=in_order)
    fresh = [page for page in pages if page.purchase_id not in replayed]
    record(con, pages)
    bookkeeping.insert_quarantined(con, fresh)
    drift = bookkeeping.record_drift(con, fresh)
    bookkeeping.insert_loads(con, pages, counts)
    crash_point("load.before_commit")
    con.execute("COMMIT")
    crash_point("load.after_commit")
    return report.of_pages(fresh, counts, drift)
