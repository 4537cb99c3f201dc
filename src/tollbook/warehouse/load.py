"""From the ledger's bodies to rows: everything that was delivered and not loaded, once, in whole batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from tollbook.crashpoints import crash_point
from tollbook.sources.envelope import Envelope
from tollbook.warehouse import coverage, schema
from tollbook.warehouse.observe import Counts, later, newest, observe, withdraw
from tollbook.warehouse.pages import Page, read
from tollbook.warehouse.schema import tables

if TYPE_CHECKING:
    import duckdb

    from tollbook.payer.ledger_reads import LedgerReader
    from tollbook.warehouse.cache import Cache

MARGIN = 10_000
"""How far behind the newest loaded seq a delivery is still looked for: one may be committed after a larger one."""

BATCH_DELIVERIES = 500


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
class Tally:
    """What came of one dataset's deliveries, or of all. `failed` counts bodies that were no answer at all."""

    deliveries: int = 0
    rows_in: int = 0
    rows_new: int = 0
    rows_changed: int = 0
    quarantined: int = 0
    failed: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.deliveries + other.deliveries,
            self.rows_in + other.rows_in,
            self.rows_new + other.rows_new,
            self.rows_changed + other.rows_changed,
            self.quarantined + other.quarantined,
            self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True)
class LoadReport(Tally):
    """One load in all, and per dataset. `note` says what was rebuilt, if anything was."""

    per_dataset: dict[str, Tally] = field(default_factory=dict)
    drift: tuple[Drifted, ...] = ()
    note: str | None = None


class Outdated(Exception):
    """The file's rows were made under other declarations, or hashed by another DuckDB: they can't be added to."""


def bring_in(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """Load what is missing. Bodies are read while the cache is closed; each batch is one transaction."""
    start, known, whole = _look(cache)
    missing = [(seq, own) for seq, own in ledger.delivery_index(start) if own not in known]
    report = LoadReport()
    for batch in _batches(missing):
        report = _joined(report, _take_in(cache, ledger, batch))
    if not whole:
        with cache.open() as con:
            schema.write_meta(con, whole="yes")
    return report


def _look(cache: Cache) -> tuple[int, set[str], bool]:
    """From which seq on to look, the purchases known from there on, and whether the cache was whole before."""
    with cache.open() as con:
        meta = schema.read_meta(con)
        if why := schema.outdated(con, meta):
            raise Outdated(why)
        newest = con.execute("SELECT max(seq) FROM loads").fetchall()[0][0] or 0
        start = max(newest - MARGIN, 0)
        known = con.execute("SELECT purchase_id FROM loads WHERE seq > ?", [start]).fetchall()
    return start, {purchase for (purchase,) in known}, meta["whole"] == "yes"


def _batches(missing: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    rest = iter(missing)
    while batch := list(islice(rest, BATCH_DELIVERIES)):
        yield batch


def _take_in(cache: Cache, ledger: LedgerReader, batch: Sequence[tuple[int, str]]) -> LoadReport:
    """One batch. Deliveries that were loaded and observed later than one of it are brought again behind it."""
    pages = _read(ledger, {purchase for _, purchase in batch}, batch[0][0])
    again: dict[str, set[str]] = {}
    while True:
        with cache.open() as con:
            needed = _behind(con, pages, again)
            if not needed:
                return _commit(con, pages, again)
        for table, purchases in needed.items():
            pages += _read(ledger, purchases, 0)
            again.setdefault(table, set()).update(purchases)


def _read(ledger: LedgerReader, purchases: Collection[str], first_seq: int) -> list[Page]:
    return list(read(ledger.deliveries(max(first_seq - 1, 0), purchases)))


def _by_table(pages: Sequence[Page]) -> dict[str, list[Page]]:
    out: dict[str, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.dataset is not None:
            out.setdefault(page.dataset.table, []).append(page)
    return out


def _behind(con: duckdb.DuckDBPyConnection, pages: Sequence[Page], again: dict[str, set[str]]) -> dict[str, set[str]]:
    """Per table the loaded purchases that must be brought again, because one of these pages goes before them."""
    needed: dict[str, set[str]] = {}
    known = _loaded(con, pages)
    for name, own in _by_table(pages).items():
        incoming = [page for page in own if page.purchase_id not in known]
        last = newest(con, tables()[name])
        if incoming and last is not None and incoming[0].order < last:
            needed[name] = later(con, tables()[name], incoming[0].order) - again.get(name, set())
    return {name: purchases for name, purchases in needed.items() if purchases}


def _loaded(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> set[str]:
    """Of these purchases, those that are loaded: perhaps by another process, a moment ago."""
    ids = [page.purchase_id for page in pages]
    return {
        row[0]
        for row in con.execute("SELECT purchase_id FROM loads WHERE list_contains(?, purchase_id)", [ids]).fetchall()
    }


def _commit(con: duckdb.DuckDBPyConnection, pages: Sequence[Page], again: dict[str, set[str]]) -> LoadReport:
    con.execute("BEGIN")
    replayed = {purchase for purchases in again.values() for purchase in purchases}
    for name, purchases in again.items():
        withdraw(con, tables()[name], purchases)
        con.execute("DELETE FROM loads WHERE list_contains(?, purchase_id)", [list(purchases)])
        _note_rewind(con, name, [page for page in pages if page.purchase_id in purchases])
    known = _loaded(con, pages)
    pages = [page for page in pages if page.purchase_id not in known]
    counts: Counts = {}
    for name, own in _by_table(pages).items():
        counts |= observe(con, tables()[name], own)
    fresh = [page for page in pages if page.purchase_id not in replayed]
    coverage.record(con, fresh)
    _note_quarantine(con, fresh)
    drift = _note_drift(con, fresh)
    _note_loads(con, pages, counts)
    crash_point("load.before_commit")
    con.execute("COMMIT")
    crash_point("load.after_commit")
    return _report(fresh, counts, drift)


def _note_rewind(con: duckdb.DuckDBPyConnection, table: str, pages: Sequence[Page]) -> None:
    """For who copies observations elsewhere: those of the table from `since` on may differ from before."""
    since, seq = min(page.observed_at for page in pages), max(page.seq for page in pages)
    con.execute("INSERT INTO rewinds VALUES (?, ?, ?, ?)", [table, since, len(pages), seq])


def _append(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa

    if not rows:
        return
    incoming = pa.Table.from_pylist(list(rows))
    con.register("incoming", incoming)
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    con.unregister("incoming")


def _note_loads(con: duckdb.DuckDBPyConnection, pages: Sequence[Page], counts: Counts) -> None:
    _append(
        con,
        "loads",
        [
            {
                "purchase_id": page.purchase_id,
                "seq": page.seq,
                "dataset": page.name,
                "rows_in": page.parsed.rows_in_body if page.parsed else 0,
                "rows_new": counts.get(page.purchase_id, (0, 0))[0],
                "rows_changed": counts.get(page.purchase_id, (0, 0))[1],
                "rows_quarantined": len(page.parsed.quarantined) if page.parsed else 0,
                "observed_at": page.observed_at,
                "envelope": page.envelope,
            }
            for page in pages
        ],
    )


def _note_quarantine(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    _append(
        con,
        "quarantined",
        [
            {
                "purchase_id": page.purchase_id,
                "dataset": page.name,
                "observed_at": page.observed_at,
                "reason": reason,
                "raw": raw,
            }
            for page in pages
            for reason, raw in page.quarantine
        ],
    )


def _note_drift(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> tuple[Drifted, ...]:
    """Keep each change with the delivery that showed it first; returns those nobody had seen."""
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        for column, change, detail in _drift_of(page):
            first.setdefault(
                (page.name, column, change),
                {
                    "dataset": page.name,
                    "column": column,
                    "change": change,
                    "first_seen": page.observed_at,
                    "purchase_id": page.purchase_id,
                    "detail": detail,
                },
            )
    if not first:
        return ()
    query = 'SELECT dataset, "column", change, first_seen FROM drift'
    known = {(name, column, change): seen for name, column, change, seen in con.execute(query).fetchall()}
    earlier = [row for key, row in first.items() if key not in known or row["first_seen"] < known[key]]
    for row in earlier:
        con.execute(
            'DELETE FROM drift WHERE dataset = ? AND "column" = ? AND change = ?',
            [row["dataset"], row["column"], row["change"]],
        )
    _append(con, "drift", earlier)
    return tuple(
        Drifted(row["dataset"], row["column"], row["change"], row["detail"])
        for key, row in first.items()
        if key not in known
    )


def _drift_of(page: Page) -> Iterator[tuple[str, str, str]]:
    if page.parsed is None:
        return
    drift = page.parsed.drift
    yield from ((column, "new", kind) for column, kind in drift.new.items())
    yield from ((column, "vanished", "") for column in drift.vanished)
    yield from ((column, "changed", detail) for column, detail in drift.changed.items())


def _report(pages: Sequence[Page], counts: Counts, drift: tuple[Drifted, ...]) -> LoadReport:
    per_dataset: dict[str, Tally] = {}
    for page in pages:
        new, changed = counts.get(page.purchase_id, (0, 0))
        one = Tally(
            1,
            page.parsed.rows_in_body if page.parsed else 0,
            new,
            changed,
            len(page.parsed.quarantined) if page.parsed else 0,
            int(page.envelope != Envelope.OK),
        )
        per_dataset[page.name] = per_dataset.get(page.name, Tally()).plus(one)
    return _summed(per_dataset, drift)


def recount(con: duckdb.DuckDBPyConnection, known: Collection[str]) -> LoadReport:
    """The report of a load that brought every delivery but the known ones."""
    rows = con.execute(
        """SELECT dataset, count(*), sum(rows_in), sum(rows_new), sum(rows_changed), sum(rows_quarantined),
                  count(*) FILTER (envelope <> 'ok')
           FROM loads WHERE NOT list_contains(?, purchase_id) GROUP BY dataset""",
        [list(known)],
    ).fetchall()
    return _summed({name: Tally(*map(int, counts)) for name, *counts in rows}, ())


def _summed(per_dataset: dict[str, Tally], drift: tuple[Drifted, ...]) -> LoadReport:
    total = Tally()
    for one in per_dataset.values():
        total = total.plus(one)
    return LoadReport(
        total.deliveries,
        total.rows_in,
        total.rows_new,
        total.rows_changed,
        total.quarantined,
        total.failed,
        per_dataset,
        drift,
    )


def _joined(one: LoadReport, other: LoadReport) -> LoadReport:
    per_dataset = dict(one.per_dataset)
    for name, tally in other.per_dataset.items():
        per_dataset[name] = per_dataset.get(name, Tally()).plus(tally)
    return _summed(per_dataset, one.drift + other.drift)
