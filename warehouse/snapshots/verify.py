"""Which months of Parquet must be made anew: their files are damaged, or the cache says otherwise by now."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.integrity import fingerprint
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, create_table
from warehouse.publish import catalog as catalogue
from warehouse.publish import replay as following
from warehouse.snapshots.manifest import File, Manifest, Month, Unreadable
from warehouse.snapshots.months import month_sql, of_month_sql, table_of

if TYPE_CHECKING:
    import duckdb


def damaged(root: Path, manifest: Manifest, *, thorough: bool) -> set[Month]:
    """Months with a file whose content is gone, or on a thorough look is not what the manifest says."""
    return {file.of for file in manifest.files if not _is_whole(root, file, thorough=thorough)}


def _is_whole(root: Path, file: File, *, thorough: bool) -> bool:
    """A content that is gone is taken back from its link, where that is still what it was."""
    content, shown = root / file.content, root / file.link
    if content.exists():
        return not thorough or (sha256_of(content) == file.sha256 and says(content) == (file.rows, set(file.purchases)))
    if not shown.exists() or sha256_of(shown) != file.sha256:
        return False
    os.link(shown, content)
    return True


def says(content: Path) -> tuple[int, set[str]] | None:
    """The rows of a Parquet file and the purchases that brought them; None where it can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(content) as found:
            purchases = found.read(columns=["purchase_id"])["purchase_id"].unique().to_pylist()
            return found.metadata.num_rows, set(purchases)
    except (pa.ArrowException, OSError):
        return None


def must_be_whole(root: Path, files: Sequence[File]) -> None:
    """Raises Unreadable for contents that are gone, or not what the manifest says."""
    for file in files:
        if not _is_whole(root, file, thorough=True):
            raise Unreadable(f"{file.content} is damaged")


def sha256_of(path: Path) -> str:
    """Hex, of any size of file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stale(
    con: duckdb.DuckDBPyConnection, root: Path, manifest: Manifest, broken: set[Month], *, every: bool
) -> set[Month]:
    """Months that don't show what the cache has of the purchases in the manifest, named by the table `snapshotted`.

    Looked at are those that a rewind may have touched; all of them after the cache was made anew, or where `every`.
    """
    cache = following.seen(con)
    if not manifest.files or (not every and (manifest.build, manifest.rewinds) == (cache.build, cache.rewinds)):
        return set()
    files = manifest.months()
    if every or manifest.build != cache.build:
        brought = _with_rows(con, files)
        months = set(files) | {month for own in brought for month in _months(con, own.observations, own)}
    else:
        months = _rewound(con, manifest)
    return {month for month in months - broken if _differs(con, root, month, files.get(month, []))}


def _with_rows(con: duckdb.DuckDBPyConnection, files: Iterable[Month]) -> list[Table]:
    """Tables of what was loaded, or is in files; the cache has each of them from here on, be it empty."""
    names = {name for (name,) in con.execute("SELECT DISTINCT dataset FROM loads").fetchall()}
    names |= {dataset for dataset, _ in files}
    found = [own for own in catalogue.tables() if names.intersection(own.datasets)]
    for own in found:
        create_table(con, own)
    return found


def _months(con: duckdb.DuckDBPyConnection, source: str, own: Table, where: str = "true") -> set[Month]:
    query = f"SELECT DISTINCT dataset, {month_sql(own)} FROM {quoted(source)} WHERE {where}"
    return {(dataset, month) for dataset, month in con.execute(query).fetchall()}


def _rewound(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> set[Month]:
    """Months with rows of deliveries that came after what a table went back to, before or now."""
    months: set[Month] = set()
    for own, since in following.rewound(con, manifest.rewinds):
        later = f"observed_at >= TIMESTAMPTZ '{since.isoformat()}'"
        months |= _months(con, own.observations, own, later)
        query = f"SELECT purchase_id FROM loads WHERE list_contains(?, dataset) AND {later}"
        brought = {purchase for (purchase,) in con.execute(query, [list(own.datasets)]).fetchall()}
        months |= {f.of for f in manifest.files if f.dataset in own.datasets and not brought.isdisjoint(f.purchases)}
    return months


def _differs(con: duckdb.DuckDBPyConnection, root: Path, month: Month, files: Sequence[File]) -> bool:
    """Other rows, other values, columns of another name or type, or files that can't be read."""
    if not all(_is_whole(root, file, thorough=True) for file in files):
        return True
    own = table_of(month[0])
    cached = f"SELECT * EXCLUDE (dataset) FROM {quoted(own.observations)} WHERE {of_month_sql(own, month)}"
    cached += " AND purchase_id IN (FROM snapshotted)"
    columns = _columns(con, cached)
    contents = [f"SELECT * FROM read_parquet({literal(root / f.content)}, hive_partitioning = false)" for f in files]
    if any(_columns(con, content) != columns for content in contents):
        return True
    shown = " UNION ALL BY NAME ".join(contents) or f"{cached} AND false"
    return fingerprint(con, columns, f"({shown})") != fingerprint(con, columns, f"({cached})")


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {query}").fetchall()}
