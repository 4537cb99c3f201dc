"""The analysts' names, generated from the declarations: tables, *_as_of macros, row keys, and what each is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files

from sources.model import Cast
from sources.registry import dataset
from warehouse.cache import schema
from warehouse.cache.schema import Table, literal
from warehouse.publish import point_in_time as known
from warehouse.publish import quality


def tables() -> tuple[Table, ...]:
    """Every declared table, in the order of declaration."""
    return tuple(schema.tables().values())


def table(name: str) -> Table:
    """One table by name. Raises KeyError listing those there are, or naming the one that a dataset's rows are in."""
    try:
        return schema.tables()[name]
    except KeyError:
        sold = [own.name for own in tables() if name.replace("_", "-") in own.datasets]
        fix = f"its rows are in {sold[0]!r}" if sold else f"there are {', '.join(schema.tables())}"
        raise KeyError(f"no table {name!r}; {fix}") from None


def time_column(own: Table) -> str:
    """The column that dates a table's rows."""
    return dataset(own.datasets[0]).time_column


def quoted(name: str) -> str:
    """A name as SQL wants it when it may be a keyword."""
    return '"' + name.replace('"', '""') + '"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def as_of_sql(own: Table) -> str:
    """The version of each row that was known at a time: the latest arrived of *that row*, restatements included.

    Most current rows had arrived by then and are the answer; versions are compared only of those that had not.
    """
    at = known.moment("ts")
    key = _list(own.natural_key)
    return f"""
CREATE OR REPLACE MACRO {own.name}_as_of(ts) AS TABLE
SELECT * FROM {own.name} WHERE observed_at <= {at}
UNION ALL BY NAME
SELECT * FROM (
    SELECT o.* FROM {own.observations} o SEMI JOIN (FROM {own.name} WHERE observed_at > {at}) later USING ({key})
    WHERE o.observed_at <= {at}
    QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY o.observed_at DESC, o.seq DESC) = 1)"""


def row_keys_sql() -> str:
    """One view over every observation's key, for provenance()."""
    parts = []
    for own in tables():
        key = ", ".join(f"{_key_text(own, name)}" for name in own.natural_key)
        parts.append(
            f"SELECT '{own.name}' AS table_name, concat_ws('/', {key}) AS row_key, observed_at, purchase_id "
            f"FROM {own.name}_observations"
        )
    return "CREATE OR REPLACE VIEW row_keys AS\n" + "\nUNION ALL\n".join(parts)


def _key_text(own: Table, name: str) -> str:
    """Days as 2026-11-20, times as 2026-11-20T14:00:00Z, in UTC whatever the session's zone; the rest as it is."""
    match next(column.cast for column in own.columns if column.name == name):
        case Cast.DATE:
            return f"strftime({quoted(name)}, '%Y-%m-%d')"
        case Cast.TIMESTAMP:
            return f"strftime({quoted(name)} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
        case _:
            return quoted(name)


def tables_sql() -> str:
    """A view that describes the tables: name, natural key, time column, datasets. `tollbook.read` goes by it."""

    def row(table: Table) -> str:
        key, datasets = (", ".join(map(literal, names)) for names in (table.natural_key, table.datasets))
        return f"({literal(table.name)}, [{key}], {literal(time_column(table))}, [{datasets}])"

    rows = ",\n".join(map(row, tables()))
    columns = "table_name, natural_key, time_column, datasets"
    return f"CREATE OR REPLACE VIEW published_tables AS SELECT * FROM (VALUES\n{rows}) AS t({columns})"


def views_sql() -> str:
    """The hand-written views."""
    ours = files("warehouse.publish")
    return "\n".join(ours.joinpath(name).read_text("utf-8") for name in ("views.sql", "nested.sql"))


def statements() -> list[str]:
    """Everything that is no table, in an order in which it can be created."""
    past = [statement for own in tables() for statement in (as_of_sql(own), *known.statements(own))]
    return [row_keys_sql(), tables_sql(), *past, views_sql(), *quality.live()]


def shape() -> str:
    """A fingerprint of all that `statements` and the declared tables make: a file of another one is shaped anew."""
    text = "\n".join([schema.declaration(), *statements()])
    return hashlib.blake2s(text.encode(), digest_size=12).hexdigest()
