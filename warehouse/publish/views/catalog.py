"""The analysts' names, made from the declared datasets: tables, `*_as_of` macros, row keys, and views on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

from sources.registry import dataset
from warehouse.cache.generation import declaration
from warehouse.cache.sql import column_list, literal
from warehouse.cache.tables import Table, declared_tables
from warehouse.dictionary import find
from warehouse.dictionary.tables import TABLES
from warehouse.publish.views import money, point_in_time, quality


def table(name: str) -> Table:
    """One table by name. Raises KeyError listing those there are, or naming the one that a dataset's rows are in."""
    declared = declared_tables()
    try:
        return declared[name]
    except KeyError:
        holding = [table.name for table in declared.values() if name.replace("_", "-") in table.datasets]
        fix = f"its rows are in {holding[0]!r}" if holding else f"there are {', '.join(declared)}"
        raise KeyError(f"no table {name!r}; {fix}") from None


def time_column(table: Table) -> str:
    """The column that dates a table's rows."""
    return dataset(table.datasets[0]).time_column


def as_of_sql(table: Table) -> str:
    """The macro `*_as_of(ts)`: for each row the version that had arrived last by then, restatements included.

    Most current rows had arrived by then and are the answer; versions are compared only of those that had not.
    """
    at = point_in_time.utc("ts")
    key = column_list(table.natural_key)
    return f"""
CREATE OR REPLACE MACRO {table.name}_as_of(ts) AS TABLE
SELECT * FROM {table.name} WHERE observed_at <= {at}
UNION ALL BY NAME
SELECT * FROM (
    SELECT o.* FROM {table.observations} o SEMI JOIN (FROM {table.name} WHERE observed_at > {at}) later USING ({key})
    WHERE o.observed_at <= {at}
    QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY o.observed_at DESC, o.seq DESC) = 1)"""


def row_keys_sql() -> str:
    """The view `row_keys`: every observation's key as text, as the macro `provenance` takes it."""
    parts = [
        f"SELECT '{table.name}' AS table_name, {money.row_key(table)} AS row_key, observed_at, purchase_id "
        f"FROM {table.observations}"
        for table in declared_tables().values()
    ]
    return "CREATE OR REPLACE VIEW row_keys AS\n" + "\nUNION ALL\n".join(parts)


def tables_sql() -> str:
    """The view `published_tables`: name, natural key, time column and datasets of each, for `tollbook.read`."""

    def row(name: str, key: Iterable[str], time: str | None, datasets: Iterable[str]) -> str:
        keys, bought = (f"[{', '.join(map(literal, names))}]::VARCHAR[]" for names in (key, datasets))
        return f"({literal(name)}, {keys}, {literal(time) if time else 'NULL'}, {bought})"

    tables = [row(t.name, t.natural_key, time_column(t), t.datasets) for t in declared_tables().values()]
    own = [row(name, entry.key, entry.time_column, ()) for name, entry in TABLES.items()]
    rows = ",\n".join([*tables, *own])
    columns = "table_name, natural_key, time_column, datasets"
    return f"CREATE OR REPLACE VIEW published_tables AS SELECT * FROM (VALUES\n{rows}) AS t({columns})"


def views_sql() -> str:
    """The views written by hand: on costs, and on what sellers nest in a row."""
    package = files("warehouse.publish.views")
    return "\n".join(package.joinpath(name).read_text("utf-8") for name in ("costs.sql", "nested.sql"))


def view_query(name: str) -> str:
    """The query of a view on costs that is written by hand, to be asked of a part of `costs` and `avoided`."""
    _, _, rest = views_sql().partition(f"CREATE OR REPLACE VIEW {name} AS\n")
    return rest.partition(";\n")[0]


def statements() -> list[str]:
    """The statements that create every view and macro, in an order that works."""
    macros = [
        sql for table in declared_tables().values() for sql in (as_of_sql(table), *point_in_time.statements(table))
    ]
    return [row_keys_sql(), tables_sql(), *macros, *money.statements(), views_sql(), *quality.live_views()]


def shape() -> str:
    """Fingerprint of all statements, comments and declared tables. A file of another shape gets what it lacks."""
    text = "\n".join([declaration(), *statements(), find.fingerprint()])
    return hashlib.blake2s(text.encode(), digest_size=12).hexdigest()
