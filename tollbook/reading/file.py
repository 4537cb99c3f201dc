"""Attach the newest publication, and find a table or view in it by any name that a person gives it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import duckdb

CATALOG = "warehouse"
"""The name under which the published file is attached."""

DEFAULTS = {"basis": " := 'observed'"}
"""Parameters of macros that may be left out; DuckDB doesn't list what they are then."""

_SHORT = {"quality": "quality_summary"}
"""Short names for views."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""The start of `s3://bucket/prefix`, and of no folder."""

_ENDINGS = ("_observations", "_versions", "_first_seen", "_snapshots", "_current")
"""Endings of tables and views that have the natural key and time column of the table before them."""


class NotPublished(KeyError, ValueError):
    """Raised for a table, column, token, signal or category that is not in the published file, naming similar ones."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table or view as the file describes it: types by column name, the key that orders its rows.

    `time_column` is None for a view whose rows have no time of their own.
    """

    name: str
    columns: dict[str, str]
    natural_key: tuple[str, ...]
    time_column: str | None

    def column(self, name: str) -> str:
        """Return a column's name as the file spells it. Raises NotPublished, naming similar columns."""
        spelled = {known.lower(): known for known in self.columns}
        if name.lower() in spelled:
            return spelled[name.lower()]
        refuse(f"{self.name} has no column {name!r}", name, self.columns, otherwise="it has")


def connect(home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the newest publication in a DuckDB connection of its own; times are in UTC.

    Tables, views and macros have their published names (`grades`, `grades_as_of(ts)`), also on cursors; tables that you
    create live in memory. The connection keeps the publication it opened; connect again for a newer one. `home` is
    TOLLBOOK_HOME, or the address that it is published at (`s3://bucket/prefix`; needs the extra `objects`). Raises
    FileNotFoundError before the first run.
    """
    con = attached(published(home, "grades"))
    try:
        con.execute("".join(_aliases(con)))
    except BaseException:
        con.close()
        raise
    return con


def _aliases(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Statements that give everything in the file its own name in memory. `USE` would not reach cursors."""
    macros = (
        "SELECT function_name, parameters FROM duckdb_functions() "
        "WHERE database_name = $1 AND function_type = 'table_macro' AND NOT internal"
    )
    for (name,) in con.execute(_NAMES, [CATALOG]).fetchall():
        yield f"CREATE VIEW memory.{quoted(name)} AS FROM {CATALOG}.{quoted(name)};\n"
    for name, parameters in con.execute(macros, [CATALOG]).fetchall():
        # A macro's body looks names up in the caller's catalog, where the views above have them.
        taken = ", ".join(quoted(each) + DEFAULTS.get(each, "") for each in parameters)
        given = ", ".join(f"{each} => {each}" if each in DEFAULTS else quoted(each) for each in parameters)
        yield f"CREATE MACRO memory.{quoted(name)}({taken}) AS TABLE FROM {CATALOG}.{quoted(name)}({given});\n"


def published(home: Path | str | None, flow: str) -> Path:
    """Return the path of the published file; of an address, that of its newest version, fetched into a local cache.

    Raises FileNotFoundError before the first run.
    """
    given = home or os.environ.get("TOLLBOOK_HOME", ".")
    if _ADDRESS.match(str(given)):
        from tollbook_bucket.fetch import fetch

        return fetch(str(given))
    path = Path(given) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run `tollbook run {flow}` first, or pass home=")
    return path


def attached(path: Path) -> duckdb.DuckDBPyConnection:
    """Attach the published file, read-only, to a database in memory.

    Connecting to the path itself would give the version that another connection of this process still holds open.
    """
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        con.execute("SET GLOBAL TimeZone = 'UTC'")
        con.execute(f"ATTACH {literal(str(path))} AS {CATALOG} (READ_ONLY)")
    except BaseException:
        con.close()
        raise
    return con


def find_table(con: duckdb.DuckDBPyConnection, name: str) -> PublishedTable:
    """Find a table or view by its name, or by the name of a dataset or endpoint whose rows it holds.

    Raises NotPublished with similar names.
    """
    import duckdb

    try:
        rows = con.execute("FROM published_tables").fetchall()
    except duckdb.CatalogException:
        advice = "run `tollbook rebuild` once; it costs nothing"
        raise RuntimeError(f"this file was published by an older tollbook: {advice}") from None
    keys = {table: (tuple(key), time) for table, key, time, _ in rows}
    datasets = {dataset: table for table, _, _, names in rows for dataset in names}
    for candidate in _candidates(name, datasets):
        try:
            described = con.execute(f"DESCRIBE {quoted(candidate)}").fetchall()
        except (duckdb.CatalogException, duckdb.ParserException):
            continue
        columns = {column[0]: str(column[1]) for column in described}
        ending = next((ending for ending in _ENDINGS if candidate.endswith(ending)), "")
        key, time = keys.get(candidate) or keys.get(candidate.removesuffix(ending)) or ((), None)
        order = (*key, *(extra for extra in ("observed_at", "seq") if ending and extra not in key))
        order = tuple(column for column in order if column in columns)
        return PublishedTable(candidate, columns, order, time if time in columns else None)
    there = [row[0] for row in con.execute(_NAMES, [CATALOG]).fetchall()]
    refuse(f"no table {name!r}", name, [*there, *datasets], otherwise="there are", first=tuple(keys))


_NAMES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 UNION ALL "
    "SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal"
)


def _candidates(name: str, datasets: dict[str, str]) -> Iterator[str]:
    """The names under which a table may be published: its own, a short one, that of an endpoint's table."""
    yield _SHORT.get(name, name)
    endpoint = name.strip("/").rpartition("/")[2].lower().replace("_", "-")
    if endpoint in datasets:
        yield datasets[endpoint]


def refuse(problem: str, name: str, known: Collection[str], *, otherwise: str, first: Collection[str] = ()) -> NoReturn:
    """Raise NotPublished with names like this one, or else with those there are."""
    spelled = {each.lower(): each for each in known}
    near = [spelled[match] for match in get_close_matches(name.lower(), spelled, n=3, cutoff=0.6)]
    if near:
        raise NotPublished(f"{problem}: did you mean {' or '.join(map(repr, near))}?")
    if not known:
        raise NotPublished(f"{problem}: this file has none yet")
    listed = [*(first or known)]
    more = ", …" if len(listed) > _LISTED else ""
    raise NotPublished(f"{problem}; {otherwise} {', '.join(listed[:_LISTED])}{more}")


_LISTED = 40
"""Names that an error lists at most."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
