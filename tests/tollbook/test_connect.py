"""`tollbook.connect`: the newest publication, under the names that it was published with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import tollbook
from tests.warehouse.sample_market import DAYS

COUNT = "SELECT count(*) FROM moonshots"


def publish_without_moonshots(home: Path) -> None:
    """Replace the published file as a publication does: a new inode under the old name."""
    published = home / "published" / "warehouse.duckdb"
    fresh = published.with_name("fresh.duckdb")
    shutil.copyfile(published, fresh)
    fresh.chmod(0o644)
    with duckdb.connect(str(fresh)) as con:
        con.execute("DELETE FROM moonshots")
    os.replace(fresh, published)


@pytest.fixture
def own_home(market_home: Path, tmp_path: Path) -> Path:
    """A copy of the published file that a test may replace."""
    (tmp_path / "published").mkdir()
    shutil.copyfile(market_home / "published" / "warehouse.duckdb", tmp_path / "published" / "warehouse.duckdb")
    return tmp_path


def test_a_new_connection_sees_the_newest_publication_while_an_older_one_is_open(own_home: Path) -> None:
    path = str(own_home / "published" / "warehouse.duckdb")
    with duckdb.connect(path, read_only=True) as plain, tollbook.connect(own_home) as older:
        publish_without_moonshots(own_home)
        with tollbook.connect(own_home) as newer:
            counts = [con.execute(COUNT).fetchall()[0][0] for con in (plain, older, newer)]
        assert counts == [4, 4, 0]
        assert tollbook.read("moonshots", home=own_home).empty


def test_tables_views_and_macros_have_their_published_names(market_home: Path) -> None:
    with tollbook.connect(market_home) as con:
        asked = {
            "FROM signals WHERE token_symbol = 'ETH' AND trading_signal = 0": 0,
            f"FROM signals_as_of(DATE '{DAYS[4]:%Y-%m-%d}') WHERE token_symbol = 'ETH' AND trading_signal = 0": 1,
            "FROM signals_first_seen s JOIN grades_known_at('signals_first_seen') g USING (token_id, date)": 15,
            "FROM grades_known_at('signals_first_published', basis => 'published')": 15,
            "FROM provenance('grades', '3375')": 6,
            "FROM warehouse.moonshots": 4,
        }
        for sql, rows in asked.items():
            assert len(con.sql(sql).fetchall()) == rows, sql
            assert len(con.cursor().sql(sql).fetchall()) == rows, f"on a cursor: {sql}"


def test_tables_of_your_own_live_in_memory_and_join_with_the_published_ones(market_home: Path) -> None:
    with tollbook.connect(market_home) as con:
        con.execute("CREATE TABLE mine AS SELECT 3375 AS token_id")
        assert con.sql("FROM mine JOIN signals USING (token_id)").fetchall()
        con.execute("CREATE TABLE events AS SELECT token_id, date, now() AS at_time FROM signals")
        assert con.sql("FROM grades_known_at('events')").fetchall()
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("DELETE FROM warehouse.signals")


def test_times_are_in_utc_whatever_the_machines_zone_is(market_home: Path) -> None:
    with tollbook.connect(market_home) as con:
        table = con.cursor().sql("SELECT max(observed_at) AS newest FROM signals").to_arrow_table()
        assert table.schema.field("newest").type == pa.timestamp("us", "UTC")


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="tollbook run grades"):
        tollbook.connect(tmp_path)


def test_a_path_may_hold_a_quote(market_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "it's here"
    (home / "published").mkdir(parents=True)
    shutil.copyfile(market_home / "published" / "warehouse.duckdb", home / "published" / "warehouse.duckdb")
    with tollbook.connect(home) as con:
        assert con.execute(COUNT).fetchall() == [(4,)]


def test_a_file_of_an_older_version_names_the_verb_that_publishes_it_again(own_home: Path) -> None:
    with duckdb.connect(str(own_home / "published" / "warehouse.duckdb")) as con:
        con.execute("DROP VIEW published_tables")
    with pytest.raises(RuntimeError, match="tollbook rebuild"):
        tollbook.read("signals", home=own_home)
    with tollbook.connect(own_home) as con:
        assert con.execute(COUNT).fetchall() == [(4,)]
