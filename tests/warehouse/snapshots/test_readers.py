"""The snapshots' folders as pandas, polars, Arrow and DuckDB read them. Spark, tried by hand, takes these types."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

UTC = pa.timestamp("us", "UTC")
SPARK_READS = {pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), UTC, pa.uint64()}
"""Nothing that its reader refuses: no nanoseconds, no times of day, no nested or large types."""


@pytest.fixture
def root(market_home: Path) -> Path:
    return market_home / "published" / "snapshots"


def observed(home: Path, dataset: str) -> int:
    [(table,)] = query(home, "SELECT table_name FROM quality_datasets WHERE dataset = ?", [dataset])[1]
    return int(query(home, f"SELECT count(*) FROM {table}_observations WHERE dataset = ?", [dataset])[1][0][0])


@pytest.mark.parametrize("dataset", ["tm-grade", "trading-signals", "moonshot-tokens", "hourly-trading-signals"])
def test_every_tool_reads_a_datasets_folder(root: Path, market_home: Path, dataset: str) -> None:
    folder = root / f"dataset={dataset}"
    rows = observed(market_home, dataset)
    assert rows
    assert len(pd.read_parquet(folder)) == rows
    assert pl.scan_parquet(folder).collect().height == rows
    assert ds.dataset(folder, format="parquet", partitioning="hive").count_rows() == rows
    with duckdb.connect() as con:
        assert con.sql(f"SELECT count(*) FROM read_parquet('{folder}/*/*.parquet')").fetchall() == [(rows,)]


def test_the_whole_folder_is_read_without_stumbling_over_the_manifest(root: Path) -> None:
    rows = sum(file.rows for file in read_manifest(root).files)
    assert len(pd.read_parquet(root)) == rows
    assert ds.dataset(root, format="parquet", partitioning="hive").count_rows() == rows
    pattern = f"{root}/dataset=*/month=*/*.parquet"
    with duckdb.connect() as con:
        found = con.sql(f"SELECT count(*) FROM read_parquet('{pattern}', union_by_name = true)").fetchall()
    assert found == [(rows,)]


def test_types_are_the_declared_ones_in_every_tool(root: Path) -> None:
    folder = root / "dataset=moonshot-tokens"
    frame, polar = pd.read_parquet(folder), pl.scan_parquet(folder).collect_schema()
    assert str(frame["moonshot_at"].dtype) == "datetime64[us, UTC]"
    assert polar["moonshot_at"] == pl.Datetime("us", "UTC")
    assert (str(frame["moonshot_roi"].dtype), polar["moonshot_roi"]) == ("float64", pl.Float64)
    with duckdb.connect() as con:
        described = con.sql(f"DESCRIBE FROM read_parquet('{folder}/*/*.parquet')").fetchall()
    types = {name: kind for name, kind, *_ in described}
    assert (types["moonshot_at"], types["token_symbol"]) == ("TIMESTAMP WITH TIME ZONE", "VARCHAR")


def test_every_file_has_types_that_all_of_them_know_and_says_so_in_its_statistics(root: Path) -> None:
    for file in read_manifest(root).files:
        parquet = pq.ParquetFile(root / file.link)
        assert {field.type for field in parquet.schema_arrow} <= SPARK_READS, file.link
        column = parquet.metadata.row_group(0).column(0)
        assert (column.compression, column.statistics is not None) == ("ZSTD", True)
