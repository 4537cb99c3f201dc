"""The view `quality_restatements`: values that changed after their row had settled."""

from __future__ import annotations

from sources.model import Cast, Dataset, Kind
from sources.registry import dataset
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables

_EMPTY = """SELECT NULL::VARCHAR AS table_name, NULL::VARCHAR AS dataset, NULL::VARCHAR AS row_key,
       NULL::VARCHAR AS column_name, NULL::VARCHAR AS before, NULL::VARCHAR AS after,
       NULL::TIMESTAMPTZ AS seen_before, NULL::TIMESTAMPTZ AS seen_at, NULL::VARCHAR AS purchase_id WHERE false"""


def restatements_sql() -> str:
    """One row per changed value: what it was and is, when each was seen, and the purchase that brought it.

    A row that was seen before its slot's end and the declared settling time was still moving: that is no restatement.
    Nor is what happens to rows without slots, such as open picks, or to lists of now.
    """
    parts = [_of_table(table) for table in declared_tables().values() if _settles(table)]
    body, order = "\nUNION ALL\n".join([_EMPTY, *parts]), "seen_at DESC, table_name, row_key, column_name"
    return f"CREATE OR REPLACE VIEW quality_restatements AS\n{body}\nORDER BY {order}"


def _settles(table: Table) -> bool:
    members = [dataset(name) for name in table.datasets]
    return all(each.kind is not Kind.REFERENCE and each.rows_per_cell is not None for each in members)


def _of_table(table: Table) -> str:
    key, time = column_list(table.natural_key), quoted(dataset(table.datasets[0]).time_column)
    text = ", ".join(_key_text(table, name) for name in table.natural_key)
    changes = ", ".join(_change(name) for name in table.compared)
    settled = " ".join(f"WHEN {literal(name)} THEN {_settled(dataset(name), time)}" for name in table.datasets)
    return f"""SELECT {literal(table.name)}, dataset, row_key, change.column_name, change.before, change.after,
       seen_before, observed_at, purchase_id
FROM (
    SELECT dataset, concat_ws('/', {text}) AS row_key, observed_at, purchase_id,
           lag(observed_at) OVER versions AS seen_before,
           CASE lag(dataset) OVER versions {settled} END AS settled_at, unnest([{changes}]) AS change
    FROM {quoted(table.observations)} SEMI JOIN (
        SELECT {key} FROM {quoted(table.observations)} GROUP BY ALL HAVING count(*) > 1) USING ({key})
    WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
WHERE epoch(seen_before) >= settled_at AND change.before IS DISTINCT FROM change.after"""


def _settled(dataset: Dataset, time: str) -> str:
    """Unix seconds at which a row of the dataset has settled."""
    return f"(epoch({time})::BIGINT // {dataset.grain} + 1) * {dataset.grain} + {dataset.settle}"


def _change(name: str) -> str:
    value = quoted(name)
    return (
        f"struct_pack(column_name := {literal(name)}, before := (lag({value}) OVER versions)::VARCHAR, "
        f"after := {value}::VARCHAR)"
    )


def _key_text(table: Table, name: str) -> str:
    """A key's value as `row_keys` writes it."""
    match next(column.cast for column in table.columns if column.name == name):
        case Cast.DATE:
            return f"strftime({quoted(name)}, '%Y-%m-%d')"
        case Cast.TIMESTAMP:
            return f"strftime({quoted(name)} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
        case _:
            return quoted(name)
