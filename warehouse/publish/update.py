"""Write into the attached file `pub` what it lacks: costs, new deliveries, facts on quality; and again what the cache
deleted and loaded again since, when a late delivery arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.generation import cache_version, overtaken_tables, rewound_tables
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, create_table, declared_tables
from warehouse.publish import costs, stamp
from warehouse.publish.attach import MIRRORED, publish_facts
from warehouse.publish.ledger_snapshot import LedgerNeeds, LedgerSnapshot
from warehouse.publish.views import row_versions, table_parts

if TYPE_CHECKING:
    import duckdb


def update_needs(con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot | None) -> LedgerNeeds:
    """List what `update` needs of the ledger: rows changed since those of `pub`, all rows after another ledger.

    `ledger` is what was read so far, which shows whether it is.
    """
    shown = stamp.read(con, "pub")
    [(newest,)] = con.execute("SELECT coalesce(max(seq), 0) FROM loads").fetchall()
    marks = frozenset[int]() if shown is None else frozenset({shown.ledger_seq})
    needs = LedgerNeeds(int(newest), marks, *costs.read_after(con, "pub"))
    if shown is None or ledger is None or not ledger.covers(needs):
        return needs
    if not shown.is_of(ledger):
        return replace(needs, costs_after=0, avoided_after=0)
    if not costs.has_newest_avoided(con, "pub", ledger):
        return replace(needs, avoided_after=0)
    return needs


def update(con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot, *, parts: bool) -> int:
    """Bring `pub` up to the open cache and the ledger, and with `parts` the digests for a lake. Returns the deliveries
    that were new to it."""
    shown = stamp.read(con, "pub")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE news AS "
        "SELECT purchase_id, seq, dataset FROM loads ANTI JOIN pub.loads USING (purchase_id)"
    )
    [(deliveries, first, last)] = con.execute("SELECT count(*), min(seq), max(seq) FROM news").fetchall()
    datasets = {name for (name,) in con.execute("SELECT DISTINCT dataset FROM news").fetchall()}
    [(known,)] = con.execute("SELECT count(*) FROM pub.loads").fetchall()
    late = _late(con, shown)
    if not parts:
        table_parts.empty(con)
    elif known:
        names = [name for t in declared_tables().values() for name in (t.name, row_versions.name_of(t))]
        table_parts.renew(con, [*names, *table_parts.OF_PURCHASES])
    other_ledger = shown is not None and not shown.is_of(ledger)
    measured = _purchases_measured(con, ledger, late, every=other_ledger or not known) if parts else nullcontext()
    with measured:
        costs.update(con, "pub", ledger, other_ledger=other_ledger)
        for name in MIRRORED:
            con.execute(f"INSERT INTO pub.{name} BY NAME SELECT * FROM {name} SEMI JOIN news USING (purchase_id)")
        if late:
            con.execute(f"DELETE FROM pub.loads WHERE {_replayed(late)}")
            con.execute(f"INSERT INTO pub.loads BY NAME FROM loads WHERE {_replayed(late)}")
    changed = {
        each.name: each
        for table in declared_tables().values()
        if datasets.intersection(table.datasets)
        for each in (table, *_showing(table))
    }
    for table in changed.values():
        _update_table(con, table, first, last, every=not known, parts=parts)
    # All schema drift again: a change may have turned out to be older than it was published.
    con.execute("DELETE FROM pub.drift")
    con.execute("INSERT INTO pub.drift BY NAME FROM drift")
    for table, since in late:
        for each in (table, *_showing(table)):
            _replay_table(con, each, since, parts=parts)
    publish_facts(con)
    stamp.write(con, ledger)
    return int(deliveries)


@contextmanager
def _purchases_measured(
    con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot, late: Sequence[tuple[Table, datetime]], *, every: bool
) -> Iterator[None]:
    """Carry the digests of what has a row per purchase over a change of costs and loads; `every`: all may change."""
    if every:
        yield
        table_parts.measure(con, table_parts.OF_PURCHASES)
        return
    costs_after, _ = costs.read_after(con, "pub")
    of_late = " UNION ".join(f"SELECT purchase_id FROM {name} WHERE {_replayed(late)}" for name in _LOADS)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE touched_purchases AS SELECT purchase_id FROM news UNION "
        f"SELECT unnest(?::VARCHAR[]) UNION {of_late}",
        [[row.purchase_id for row in ledger.cost_rows(costs_after)]],
    )
    touched = "SEMI JOIN touched_purchases t ON p.purchase_id = t.purchase_id"
    with table_parts.carried(con, table_parts.OF_PURCHASES, touched):
        yield


_LOADS = ("loads", "pub.loads")


def _late(con: duckdb.DuckDBPyConnection, shown: stamp.Stamp | None) -> list[tuple[Table, datetime]]:
    """Tables of which `pub` has rows that late deliveries may have changed, each with the time from which on."""
    cache = cache_version(con)
    if shown is not None and not shown.follows(cache):
        return overtaken_tables(con, "SELECT purchase_id FROM news", "SELECT purchase_id FROM pub.loads")
    return rewound_tables(con, shown.rewinds if shown else cache.rewinds)


def create_sources(con: duckdb.DuckDBPyConnection) -> None:
    """Create what the cache lacks of a pair of tables of which it has one. Not inside a transaction."""
    datasets = {name for (name,) in con.execute("SELECT DISTINCT dataset FROM loads").fetchall()}
    for table in declared_tables().values():
        if table.twin and datasets.intersection(table.datasets):
            for name in (table.name, table.twin):
                create_table(con, declared_tables()[name])


def _update_table(
    con: duckdb.DuckDBPyConnection, table: Table, first: int, last: int, *, every: bool, parts: bool
) -> None:
    """Add new versions, and replace those of their keys; `every`: nothing was published yet.

    Rows lie in the order of their seq, so that the bounds `first` and `last` leave the history unread.
    """
    if not every:
        of_news = f"seq BETWEEN {first} AND {last} AND purchase_id IN (SELECT purchase_id FROM news)"
        key = column_list(table.natural_key)
        touched = [f"SELECT {key} FROM {quoted(name)} WHERE {of_news}" for name in _sources(table)]
        unsettled = f"(FROM pub.{quoted(table.name)} WHERE NOT is_final)"
        touched.append(row_versions.settled(table, unsettled, key))
        if table.is_history:
            touched.append(_ended(table, of_news))
        [(count,)] = con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {' UNION '.join(touched)}").fetchall()
        if not count:
            return
    _replace_rows(con, table, every=every, parts=parts)


def _ended(table: Table, of_news: str) -> str:
    """The keys of provisional rows that new rows of the history replace: of the same day, or of one before."""
    ids, time = row_versions.ids_of(table), row_versions.time_of(table)
    newest = f"SELECT {column_list(ids)}, max({time}) AS newest FROM {quoted(table.observations)} WHERE {of_news}"
    same = " AND ".join(f"p.{quoted(name)} = n.{quoted(name)}" for name in ids)
    provisional = f"p.dataset IN {row_versions.provisional_datasets(table)}"
    return (
        f"SELECT {', '.join(f'p.{quoted(name)}' for name in table.natural_key)} FROM pub.{quoted(table.name)} p "
        f"SEMI JOIN ({newest} GROUP BY ALL) n ON {same} AND p.{time} <= n.newest WHERE {provisional}"
    )


def _replayed(late: Sequence[tuple[Table, datetime]]) -> str:
    """The condition that a delivery is one of those."""
    conditions = [
        f"(dataset IN ({', '.join(map(literal, table.datasets))}) AND observed_at >= TIMESTAMPTZ '{since.isoformat()}')"
        for table, since in late
    ]
    return " OR ".join(conditions) or "false"


def _showing(table: Table) -> list[Table]:
    """The history that shows this table's rows provisionally, if it is one of snapshots."""
    return [declared_tables()[table.twin]] if table.twin and not table.is_history else []


def _replay_table(con: duckdb.DuckDBPyConnection, table: Table, since: datetime, *, parts: bool) -> None:
    """Replace rows of `pub` that late deliveries may have changed, for deliveries known to both, from a time on."""
    key, published = column_list(table.natural_key), f"pub.{quoted(row_versions.name_of(table))}"
    moment = f"TIMESTAMPTZ '{since.isoformat()}'"
    touched = [
        f"SELECT {key} FROM {published} WHERE observed_at >= {moment} OR valid_to >= {moment} "
        f"OR (valid_to IS NULL AND dataset IN {row_versions.provisional_datasets(table)})",
        *(f"SELECT {key} FROM {quoted(name)} WHERE observed_at >= {moment}" for name in _sources(table)),
    ]
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {' UNION '.join(touched)}")
    _replace_rows(con, table, parts=parts)


def _sources(table: Table) -> list[str]:
    """The cache's observations that a published table is made of: its own and, of a history, its snapshots'."""
    twin = declared_tables()[table.twin] if table.is_history and table.twin else None
    return [table.observations, *([twin.observations] if twin else [])]


def _replace_rows(con: duckdb.DuckDBPyConnection, table: Table, *, every: bool = False, parts: bool) -> None:
    """Replace the published rows of the keys in the table `touched` by those of the cache; with `every`, add the rows
    of all keys to tables that are empty. `parts`: with their digests."""
    names = [table.name, row_versions.name_of(table)]
    current, versions = (f"pub.{quoted(name)}" for name in names)
    same = row_versions.same_key(table, "p", "k")
    touched = "" if every else f"SEMI JOIN touched k ON {same}"
    chosen = [quoted(name) for name in _sources(table)]
    with table_parts.carried(con, names, touched) if parts else nullcontext():
        if not every:
            for number, name in enumerate(chosen):
                rows = f"SELECT p.* FROM {name} p {touched}"
                con.execute(f"CREATE OR REPLACE TEMP TABLE chosen_{number} AS {rows}")
            chosen = [f"chosen_{number}" for number in range(len(chosen))]
            for name in (current, versions):
                con.execute(f"DELETE FROM {name} p USING touched k WHERE {same}")
        query = row_versions.query(table, chosen[0], chosen[-1], few=not every)
        con.execute(f"INSERT INTO {versions} BY NAME {query}")
        rows = f"SELECT p.* EXCLUDE (valid_from, valid_to) FROM {versions} p {touched} WHERE valid_to IS NULL"
        con.execute(f"INSERT INTO {current} BY NAME {rows}")
