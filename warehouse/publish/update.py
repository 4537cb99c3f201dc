"""Write into the attached file `pub` what it lacks: costs, new deliveries, rows loaded again, facts on quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.cache.rewinds import cache_version
from warehouse.cache.sql import column_list, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.publish import costs, replay, stamp
from warehouse.publish.attach import MIRRORED, publish_facts
from warehouse.publish.ledger_snapshot import LedgerNeeds, LedgerSnapshot

if TYPE_CHECKING:
    import duckdb


def update_needs(con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot | None) -> LedgerNeeds:
    """What `update` needs of the ledger: rows changed since those of `pub`, all rows where it is of another ledger."""
    shown = stamp.read(con, "pub")
    [(newest,)] = con.execute("SELECT coalesce(max(seq), 0) FROM loads").fetchall()
    marks = frozenset[int]() if shown is None else frozenset({shown.ledger_seq})
    costs_after, avoided_after = costs.read_after(con, "pub")
    if shown is not None and ledger is not None and marks <= ledger.marks.keys() and not shown.is_of(ledger):
        costs_after, avoided_after = 0, 0
    return LedgerNeeds(int(newest), marks, costs_after, avoided_after)


def update(con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot) -> int:
    """Bring `pub` up to the open cache and the ledger. Returns the deliveries that were new to it."""
    shown = stamp.read(con, "pub")
    costs.update(con, "pub", ledger, other_ledger=shown is not None and not shown.is_of(ledger))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE news AS "
        "SELECT purchase_id, seq, dataset FROM loads ANTI JOIN pub.loads USING (purchase_id)"
    )
    [(deliveries, first, last)] = con.execute("SELECT count(*), min(seq), max(seq) FROM news").fetchall()
    datasets = {name for (name,) in con.execute("SELECT DISTINCT dataset FROM news").fetchall()}
    for table in declared_tables().values():
        if datasets.intersection(table.datasets):
            _update_table(con, table, first, last)
    for name in MIRRORED:
        con.execute(f"INSERT INTO pub.{name} BY NAME SELECT * FROM {name} SEMI JOIN news USING (purchase_id)")
    replay.replace_drift(con)
    replay.replay(con, shown.rewinds if shown else cache_version(con).rewinds)
    publish_facts(con)
    stamp.write(con, ledger)
    return int(deliveries)


def _update_table(con: duckdb.DuckDBPyConnection, table: Table, first: int, last: int) -> None:
    """Add new observations, and replace the current rows of their keys.

    Rows lie in the order of their seq, so that the bounds `first` and `last` leave the history unread.
    """
    of_news = f"seq BETWEEN {first} AND {last} AND purchase_id IN (SELECT purchase_id FROM news)"
    observations = f"FROM {quoted(table.observations)} WHERE {of_news}"
    [(count,)] = con.execute(f"INSERT INTO pub.{quoted(table.observations)} BY NAME {observations}").fetchall()
    if not count:
        return
    key = column_list(table.natural_key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} {observations}")
    replay.replace_current_rows(con, table)
