"""Write a query's rows as one Parquet file that every tool reads alike: zstd, statistics, every column nullable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROW_GROUP = 122_880
"""Rows in a row group; DuckDB hands them over in as many."""


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the query's rows, in its order and types, and return how many there are. Replaces the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reader, rows = con.sql(query).to_arrow_reader(ROW_GROUP), 0
    schema = pa.schema([pa.field(field.name, _in_utc(field.type)) for field in reader.schema])
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=3) as writer:
        for batch in reader:
            writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP)
            rows += len(batch)
    return rows


def _in_utc(kind: pa.DataType) -> pa.DataType:
    """The type itself, or times in UTC whatever zone the session has."""
    import pyarrow as pa

    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


def is_nullable(path: Path) -> bool:
    """True when every column of the file may be null. Raises pyarrow's errors for a file that can't be read."""
    import pyarrow.parquet as pq

    return all(field.nullable for field in pq.read_schema(path))
