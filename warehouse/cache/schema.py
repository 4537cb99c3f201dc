"""The bookkeeping tables of the cache, and preparing a file: creating or extending what is declared today."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sources import registry
from sources.model import Kind
from sources.parse import PARSER
from warehouse.cache.generation import FORMAT, declaration, hash_function, new_build, read_meta, write_meta
from warehouse.cache.tables import add_missing_columns

if TYPE_CHECKING:
    import duckdb

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS meta (name VARCHAR, value VARCHAR);
CREATE TABLE IF NOT EXISTS loads (
    purchase_id VARCHAR, seq BIGINT, dataset VARCHAR, rows_in BIGINT, rows_new BIGINT, rows_changed BIGINT,
    rows_quarantined BIGINT, observed_at TIMESTAMPTZ, envelope VARCHAR);
CREATE TABLE IF NOT EXISTS quarantined (
    purchase_id VARCHAR, dataset VARCHAR, observed_at TIMESTAMPTZ, reason VARCHAR, raw VARCHAR);
CREATE TABLE IF NOT EXISTS drift (
    dataset VARCHAR, "column" VARCHAR, change VARCHAR, first_seen TIMESTAMPTZ, purchase_id VARCHAR, detail VARCHAR);
CREATE TABLE IF NOT EXISTS rewinds (table_name VARCHAR, since TIMESTAMPTZ, purchases BIGINT, seq BIGINT);
CREATE OR REPLACE TABLE declared (
    dataset VARCHAR, table_name VARCHAR, kind VARCHAR, grain BIGINT, due BIGINT, for_sale BIGINT, repaired_by VARCHAR);
CREATE TABLE IF NOT EXISTS scheduled (dataset VARCHAR, fires_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS watched (dataset VARCHAR, key VARCHAR);
CREATE TABLE IF NOT EXISTS coverage (
    dataset VARCHAR, key VARCHAR, first BIGINT, last BIGINT, bucket BIGINT, settled BOOLEAN);
CREATE TABLE IF NOT EXISTS coverage_open (
    dataset VARCHAR, group_id VARCHAR, key VARCHAR, first BIGINT, last BIGINT, bucket BIGINT, settled BOOLEAN);
CREATE TABLE IF NOT EXISTS coverage_absent (
    dataset VARCHAR, group_id VARCHAR, key VARCHAR, first BIGINT, last BIGINT, bucket BIGINT, asked_at BIGINT,
    failed BOOLEAN);
CREATE TABLE IF NOT EXISTS coverage_groups (
    dataset VARCHAR, group_id VARCHAR, edition VARCHAR, bucket BIGINT, context VARCHAR, pages BIGINT[], state VARCHAR,
    rows BIGINT, page_rows BIGINT, completed_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS coverage_pages (
    dataset VARCHAR, group_id VARCHAR, page BIGINT, purchase_id VARCHAR, observed_at TIMESTAMPTZ, rows BIGINT,
    keys VARCHAR[], slots BIGINT[], known BOOLEAN, readable BOOLEAN, stated BIGINT);
"""


def prepare(con: duckdb.DuckDBPyConnection, meta: dict[str, str] | None = None) -> dict[str, str]:
    """Bring a file to what is declared today; returns its `meta`, which the caller may know. A file of another format
    is left as it is, to be rebuilt."""
    meta = read_meta(con) if meta is None else meta
    if meta and (meta["format"] != str(FORMAT) or meta.get("prepared") == _prepared()):
        return meta
    con.execute("BEGIN")
    con.execute(_BOOKKEEPING)
    add_missing_columns(con)
    _fill_declared(con)
    write_meta(con, prepared=_prepared())
    if not meta:
        generation = {"format": str(FORMAT), "parser": str(PARSER), "hash": hash_function(), "built": declaration()}
        write_meta(con, **generation, whole="no", build=new_build())
    con.execute("COMMIT")
    return read_meta(con)


def _prepared() -> str:
    """Fingerprint of all that `prepare` makes. Bookkeeping may grow without a row being read again."""
    text = "\n".join((declaration(), _BOOKKEEPING))
    return hashlib.blake2s(text.encode(), digest_size=12).hexdigest()


def _fill_declared(con: duckdb.DuckDBPyConnection) -> None:
    """Write the datasets' cadence for the quality tables: a slot is due `due` seconds after its start, and can be
    bought `for_sale` seconds after it: a snapshot at once, a series when it has settled."""
    rows = []
    for dataset in registry.datasets():
        due = dataset.grain + (dataset.settle if dataset.window else 0)
        for_sale = due if dataset.kind is Kind.SERIES else 0
        kind = dataset.kind.value
        rows.append((dataset.name, dataset.table, kind, dataset.grain, due, for_sale, dataset.repaired_by))
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
    con.execute(f"INSERT INTO declared VALUES {values}", [value for row in rows for value in row])
