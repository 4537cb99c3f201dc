"""Tools that read everything below published/snapshots find each row once, and write again what they read."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from warehouse.exports.parquet import export, main
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

DATASET = "tm-grade"
OLDER_CLI = Path(sys.executable).parent / "duckdb"


@pytest.fixture
def root(market_home: Path) -> Path:
    return market_home / "published" / "snapshots"


@pytest.fixture
def rows(root: Path) -> int:
    """All rows of all datasets."""
    return sum(file.rows for file in read_manifest(root).files)


@pytest.fixture
def folder_rows(root: Path) -> int:
    """Rows of one dataset's folder."""
    return sum(file.rows for file in read_manifest(root).files if file.dataset == DATASET)


def test_below_snapshots_is_nothing_but_data(root: Path) -> None:
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {file.link for file in read_manifest(root).files}


def test_duckdb_reads_it_recursively(root: Path, rows: int) -> None:
    with duckdb.connect() as con:
        for pattern in (f"{root}/**/*.parquet", f"{root.parent}/**/*.parquet"):
            found = con.sql(f"SELECT count(*) FROM read_parquet('{pattern}', union_by_name = true)").fetchall()
            assert found == [(rows,)]


def test_duckdb_of_the_older_release_reads_it_recursively(root: Path, rows: int) -> None:
    sql = f"SELECT count(*) AS n FROM read_parquet('{root}/**/*.parquet', union_by_name = true)"
    said = subprocess.run([OLDER_CLI, "-json", "-c", sql], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(said.stdout) == [{"n": rows}]


def test_pandas_and_arrow_read_it_recursively(root: Path, rows: int) -> None:
    assert len(pd.read_parquet(root)) == rows
    assert ds.dataset(root, format="parquet", partitioning="hive").count_rows() == rows


def test_polars_reads_it_recursively(root: Path, rows: int, folder_rows: int) -> None:
    everything = pl.scan_parquet(f"{root}/**/*.parquet", missing_columns="insert", extra_columns="ignore")
    assert everything.select(pl.len()).collect().item() == rows
    assert pl.scan_parquet(root / f"dataset={DATASET}").select(pl.len()).collect().item() == folder_rows


def test_datafusion_counts_rows_and_nulls(root: Path, market_home: Path, folder_rows: int) -> None:
    """A file that declares a column as required has no nulls for it, whatever other files hold."""
    context = datafusion.SessionContext()
    context.register_parquet("grades", str(root / f"dataset={DATASET}"))
    sql = "SELECT count(*) AS n, count(*) FILTER (WHERE {0} IS NULL) AS nulls FROM {1}"
    [found] = context.sql(sql.format("quant_grade", "grades")).to_pylist()
    expected = query(market_home, sql.format("quant_grade", "grades_snapshots_observations"))[1]
    assert [tuple(found.values())] == expected == [(folder_rows, folder_rows)]


def test_ibis_reads_it(root: Path, folder_rows: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls names that DuckDB 2 is about to drop
        import ibis

        table = ibis.duckdb.connect().read_parquet(f"{root}/dataset={DATASET}/**/*.parquet")
        assert table.count().execute() == folder_rows
        assert table.quant_grade.isnull().sum().execute() == folder_rows


def test_every_column_of_every_file_may_be_null(root: Path) -> None:
    for file in read_manifest(root).files:
        required = [field.name for field in pq.read_schema(root / file.link) if not field.nullable]
        assert required == [], file.link


def test_arrow_writes_again_what_it_read(root: Path, tmp_path: Path, folder_rows: int) -> None:
    read = ds.dataset(root / f"dataset={DATASET}", format="parquet", partitioning="hive")
    ds.write_dataset(read, tmp_path / "again", format="parquet", partitioning=["month"])
    assert ds.dataset(tmp_path / "again", format="parquet").count_rows() == folder_rows
    nulls = pa.nulls(1, pa.float64())
    table = read.to_table().slice(0, 1)
    table = table.set_column(table.column_names.index("tm_grade"), "tm_grade", nulls).cast(read.schema)
    assert table["tm_grade"].null_count == 1


def test_current_rows_and_versions_can_be_had_as_a_file_per_table(market_home: Path, tmp_path: Path) -> None:
    file = market_home / "published" / "warehouse.duckdb"
    written = export(file, tmp_path, ["grades", "signals"])
    assert set(written) == {
        tmp_path / kind / f"{t}.parquet" for kind in ("current", "versions") for t in ("grades", "signals")
    }
    for name in ("grades", "signals"):
        current, versions = (pd.read_parquet(tmp_path / kind / f"{name}.parquet") for kind in ("current", "versions"))
        assert len(current) == query(market_home, f"SELECT count(*) FROM {name}")[1][0][0]
        assert len(versions) == query(market_home, f"SELECT count(*) FROM {name}_versions")[1][0][0]
        assert str(versions["valid_to"].dtype) == "datetime64[us, UTC]"
        assert len(versions[versions["valid_to"].isna()]) == len(current)


def test_as_of_is_a_filter_on_the_exported_versions(market_home: Path, tmp_path: Path) -> None:
    export(market_home / "published" / "warehouse.duckdb", tmp_path, ["signals"])
    [(at,)] = query(market_home, "SELECT max(observed_at) - INTERVAL 1 HOUR FROM signals")[1]
    valid = (pl.col("valid_from") <= at) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > at))
    found = pl.scan_parquet(tmp_path / "versions" / "signals.parquet").filter(valid)
    columns = ["token_id", "date", "trading_signal"]
    expected = query(market_home, f"SELECT {', '.join(columns)} FROM signals_as_of(?) ORDER BY ALL", [at])[1]
    assert found.select(columns).sort(columns).collect().rows() == expected


def test_the_export_says_what_is_wrong(market_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(market_home / "published" / "warehouse.duckdb")
    assert main([file]) == 2
    assert main([file, str(tmp_path), "grads"]) == 2
    assert main([str(tmp_path / "none.duckdb"), str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "usage:" in said
    assert "no table 'grads'" in said
    assert "nothing was published yet" in said
    assert main([file, str(tmp_path), "moonshots"]) == 0
    assert "moonshots.parquet: 4 rows" in capsys.readouterr().out
