"""The analysts' names, generated from the declarations: tables, *_as_of macros, row keys, and what each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tollbook.sources.model import Dataset
from tollbook.sources.registry import datasets

BOOKKEEPING = ("observed_at", "purchase_id", "dataset", "row_hash", "seq")
"""Columns every table has after the seller's."""


@dataclass(frozen=True, slots=True)
class Table:
    """One of the analysts' tables, and the datasets that fill it."""

    name: str
    natural_key: tuple[str, ...]
    time_column: str
    filled_by: tuple[Dataset, ...]


@cache
def tables() -> tuple[Table, ...]:
    """Every declared table, in the order of declaration."""
    filling: dict[str, list[Dataset]] = {}
    for dataset in datasets():
        filling.setdefault(dataset.table, []).append(dataset)
    return tuple(Table(name, own[0].natural_key, own[0].time_column, tuple(own)) for name, own in filling.items())


def table(name: str) -> Table:
    """One table by name. Raises KeyError listing those there are."""
    for own in tables():
        if own.name == name:
            return own
    raise KeyError(f"no table {name!r}; there are {', '.join(own.name for own in tables())}")


def quoted(name: str) -> str:
    """A name as SQL wants it when it may be a keyword."""
    return '"' + name.replace('"', '""') + '"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def as_of_sql(own: Table) -> str:
    """The version of each row that was known at a time: the latest arrived of *that row*, restatements included."""
    return f"""
CREATE OR REPLACE MACRO {own.name}_as_of(ts) AS TABLE
SELECT * FROM {own.name}_observations WHERE observed_at <= ts
QUALIFY row_number() OVER (PARTITION BY {_list(own.natural_key)} ORDER BY observed_at DESC, seq DESC) = 1"""


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
    """Days as 2026-11-20; other times as ISO, UTC."""
    if name != own.time_column:
        return quoted(name)
    column = next(c for d in own.filled_by for c in d.columns if c.name == name)
    if column.cast.value == "date":
        return f"strftime({quoted(name)}, '%Y-%m-%d')"
    return f"strftime({quoted(name)}, '%Y-%m-%dT%H:%M:%SZ')"


def views_sql() -> str:
    """The hand-written views."""
    return files("tollbook.warehouse").joinpath("views.sql").read_text("utf-8")


def statements() -> list[str]:
    """Everything that is no table, in an order in which it can be created."""
    return [row_keys_sql(), *(as_of_sql(own) for own in tables()), views_sql()]
