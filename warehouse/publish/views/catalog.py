"""The analysts' names: tables, `*_as_of` macros, row keys and views, made from declared datasets or written as SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

from sources.model import Kind
from sources.registry import cached, dataset
from warehouse.cache.generation import declaration
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.dictionary import find
from warehouse.dictionary.tables import TABLES
from warehouse.publish.views import money, point_in_time, quality, row_versions
from warehouse.publish.views.quality import restatements_sql


def table(name: str) -> Table:
    """One table by name. Raises KeyError listing those there are, or naming the one that a dataset's rows are in."""
    declared = declared_tables()
    try:
        return declared[name]
    except KeyError:
        holding = [table.name for table in declared.values() if name.replace("_", "-") in table.datasets]
        fix = f"its rows are in {holding[0]!r}" if holding else f"there are {', '.join(declared)}"
        raise KeyError(f"no table {name!r}; {fix}") from None


ONLY_HERE = "only_in_its_own_file_use_the_versions_tables"
"""Beginning of the name of a view that each file has under a name of its own. Macros ask for it, as DuckDB looks up the
names in a macro's body where the caller is: attached under another name, they would read the caller's own tables."""


def observations_sql(table: Table) -> str:
    """The view of all versions as they arrived."""
    rows = f"SELECT * EXCLUDE (valid_from, valid_to) FROM {row_versions.name_of(table)}"
    return f"CREATE OR REPLACE VIEW {table.observations} AS {rows}"


def as_of_sql(table: Table, only_here: str) -> str:
    """The macro `*_as_of(ts)`: for each row the version that had arrived last by then, restatements included."""
    at = point_in_time.utc("ts")
    return f"""
CREATE OR REPLACE MACRO {table.name}_as_of(ts) AS TABLE
SELECT * EXCLUDE (valid_from, valid_to) FROM {row_versions.name_of(table)}
WHERE valid_from <= {at} AND (valid_to IS NULL OR valid_to > {at}) AND {only_here}"""


def has_newest(table: Table) -> bool:
    """True for snapshots: a row in them is of the time when it was seen, and of each key one time is the newest."""
    declared = dataset(table.datasets[0])
    of_its_time = declared.undated or declared.key_column is not None
    return declared.kind is Kind.SNAPSHOT and of_its_time and declared.time_column in table.natural_key


def newest_sql(table: Table) -> str:
    """The view `*_current`: of each key, or of a listing that has no keys, the rows of the newest time only."""
    declared, time = dataset(table.datasets[0]), row_versions.time_of(table)
    keys = [quoted(declared.key_column)] if declared.key_column else []
    newest = f"SELECT {', '.join([*keys, f'max({time}) AS {time}'])} FROM {table.name}"
    grouped = f"{newest} GROUP BY {', '.join(keys)}" if keys else newest
    return (
        f"CREATE OR REPLACE VIEW {table.name}_current AS\n"
        f"FROM {table.name} SEMI JOIN ({grouped}) newest USING ({', '.join([*keys, time])})"
    )


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

    tables = [row(t.name, t.natural_key, t.time_column, t.datasets) for t in declared_tables().values()]
    own = [row(name, entry.key, entry.time_column, ()) for name, entry in TABLES.items()]
    rows = ",\n".join([*tables, *own])
    columns = "table_name, natural_key, time_column, datasets"
    return f"CREATE OR REPLACE VIEW published_tables AS SELECT * FROM (VALUES\n{rows}) AS t({columns})"


def statements(file_id: str) -> list[str]:
    """The statements that create every view and macro, in an order that works. `file_id` is this file's own."""
    marker = f"{ONLY_HERE}_{file_id}"
    only_here = f"EXISTS (FROM {marker})"
    tables = declared_tables().values()
    return [
        f"CREATE OR REPLACE VIEW {marker} AS SELECT true AS own_file",
        f"COMMENT ON VIEW {marker} IS 'Asked for by the macros of this file: they work only where it is open itself'",
        *map(observations_sql, tables),
        row_keys_sql(),
        tables_sql(),
        *(as_of_sql(table, only_here) for table in tables),
        *(sql for table in tables for sql in point_in_time.statements(table, only_here)),
        *(newest_sql(table) for table in tables if has_newest(table)),
        *money.statements(only_here),
        views_sql(),
        restatements_sql(),
        *quality.live_views(),
    ]


@cached
def shape() -> str:
    """Fingerprint of all statements, comments and declared tables. A file of another shape gets what it lacks."""
    text = "\n".join([declaration(), *statements(""), find.fingerprint()])
    return hashlib.blake2s(text.encode(), digest_size=12).hexdigest()


def views_sql() -> str:
    package = files("warehouse.publish.views")
    return "\n".join(package.joinpath(name).read_text("utf-8") for name in ("costs.sql", "nested.sql"))


def view_query(name: str) -> str:
    """The query of a view on costs that is written by hand, to be asked of a part of `costs` and `avoided`."""
    _, _, rest = views_sql().partition(f"CREATE OR REPLACE VIEW {name} AS\n")
    return rest.partition(";\n")[0]
