"""Published files that are damaged are rebuilt from the cache, to the same rows, by the run that finds it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payer.ledger import Ledger
from tests.warehouse.damaged_blocks import flip, spoil
from tests.warehouse.publications import assert_parts_carried, bring_up, count, crash, month, parquet_rows
from tests.warehouse.purchases import open_ledger
from warehouse.audit import check_snapshots
from warehouse.cache.generation import write_meta
from warehouse.cache.store import Cache
from warehouse.publish.publish import compact, publish, read_error
from warehouse.query import query
from warehouse.snapshots import layout as folders
from warehouse.snapshots.layout import exchange
from warehouse.snapshots.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("with_lake")


@pytest.fixture(scope="module")
def published_home(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Path:
    """Two months published, each in a run of its own: a public file and a standby."""
    home = tmp_path_factory.mktemp("published")
    shutil.copytree(empty_home, home, dirs_exist_ok=True)
    with open_ledger(home) as opened:
        for number in range(2):
            month(opened, number)
            bring_up(home, opened)
    return home


@pytest.fixture
def books(tmp_path: Path, published_home: Path) -> Iterator[Ledger]:
    """The ledger of a copy of it."""
    _copy(published_home, tmp_path)
    with open_ledger(tmp_path) as opened:
        yield opened


def _copy(home: Path, to: Path) -> None:
    """With the links between contents and folders, which a copy would make files of their own."""
    shutil.copytree(home, to, dirs_exist_ok=True)
    root = to / "published" / "snapshots"
    for file in read_manifest(root).files:
        (root / file.link).unlink()
        (root / file.link).hardlink_to(root / file.content)


def public(home: Path) -> Path:
    return home / "published" / "warehouse.duckdb"


def standby(home: Path) -> Path:
    return home / "published" / ".private" / "standby.duckdb"


def snapshots(home: Path) -> Path:
    return home / "published" / "snapshots"


def _content_and_link_gone(home: Path) -> None:
    file = read_manifest(snapshots(home)).files[0]
    for name in (file.content, file.link):
        (snapshots(home) / name).unlink()


def _manifest_cut(home: Path) -> None:
    path = home / "published" / "snapshots.json"
    path.write_text(path.read_text()[:-40])


def _standby_block(home: Path) -> None:
    """Of the version that is first in line to be written next."""
    elder = standby(home).with_name("retired-1.duckdb")
    standby(home).replace(elder)
    spoil(elder, "grades_versions")


def _cache_block(home: Path) -> None:
    spoil(Cache(home).path, "grades_observations")


def _is_all_there(home: Path, months: int) -> None:
    assert (count(home), len(parquet_rows(home)), check_snapshots(snapshots(home))) == (20 * months, 20 * months, [])
    assert (read_error(public(home)), read_error(standby(home))) == (None, None)
    assert_parts_carried(home)


@pytest.mark.parametrize("damage", [_content_and_link_gone, _manifest_cut, _standby_block, _cache_block])
def test_a_publication_that_comes_across_damage_repairs_it_and_says_so(
    tmp_path: Path, books: Ledger, damage: Callable[[Path], None]
) -> None:
    """I8."""
    damage(tmp_path)
    month(books, 2)
    note = bring_up(tmp_path, books).note
    assert note is not None
    assert "rebuilt" in note
    _is_all_there(tmp_path, 3)
    month(books, 3)
    assert bring_up(tmp_path, books).note is None
    _is_all_there(tmp_path, 4)


def _rotten_parquet(home: Path) -> None:
    flip(snapshots(home) / read_manifest(snapshots(home)).files[0].content, 200)


def _public_block(home: Path) -> None:
    spoil(public(home), "grades_versions")


@pytest.mark.parametrize("damage", [_rotten_parquet, _public_block, _content_and_link_gone, _manifest_cut])
def test_rebuilding_everything_repairs_what_no_publication_reads(
    tmp_path: Path, books: Ledger, damage: Callable[[Path], None]
) -> None:
    """I8: bit rot in a file that is not written again stays unseen till then, and never becomes the standby."""
    rows = parquet_rows(tmp_path)
    damage(tmp_path)
    publish(tmp_path, books, rebuild=True, thorough=True)
    _is_all_there(tmp_path, 2)
    assert parquet_rows(tmp_path) == rows
    month(books, 2)
    bring_up(tmp_path, books)
    _is_all_there(tmp_path, 3)


def test_a_content_that_is_gone_is_taken_back_from_its_link(tmp_path: Path, books: Ledger) -> None:
    before = read_manifest(snapshots(tmp_path))
    (snapshots(tmp_path) / before.files[0].content).unlink()
    assert publish(tmp_path, books).note is None
    assert (read_manifest(snapshots(tmp_path)), check_snapshots(snapshots(tmp_path))) == (before, [])


def test_compaction_repairs_what_it_can_not_read(tmp_path: Path, books: Ledger) -> None:
    rows = parquet_rows(tmp_path)
    _rotten_parquet(tmp_path)
    done = compact(tmp_path, books, at_least=1)
    assert (done.note is not None, done.months) == (True, 2)
    assert (parquet_rows(tmp_path), check_snapshots(snapshots(tmp_path))) == (rows, [])


def test_a_cache_that_is_being_filled_is_not_published_by_half(tmp_path: Path, books: Ledger) -> None:
    """I7: another process has begun a new cache, and loaded one of two deliveries."""
    with Cache(tmp_path).open() as con:
        con.execute("DELETE FROM grades_newest WHERE seq = (SELECT arg_max(seq, purchase_id) FROM loads)")
        for table in ("grades_observations", "loads"):
            con.execute(f"DELETE FROM {table} WHERE purchase_id = (SELECT max(purchase_id) FROM loads)")
        write_meta(con, whole="no", build="another")
    publish(tmp_path, books)
    _is_all_there(tmp_path, 2)
    assert query(tmp_path, "SELECT count(*) FROM loads")[1] == [(2,)]


def test_a_thorough_publication_finds_a_damaged_file_that_is_up_to_date(tmp_path: Path, books: Ledger) -> None:
    _public_block(tmp_path)
    assert publish(tmp_path, books).note is None
    note = publish(tmp_path, books, thorough=True).note
    assert note is not None
    assert note.startswith("the published file could not be read")
    _is_all_there(tmp_path, 2)


def test_a_folder_that_a_killed_compaction_left_shows_its_rows_all_the_while(
    tmp_path: Path, books: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest names the month's new file, the folder still shows the old ones: they change places in one step."""
    rows, seen = parquet_rows(tmp_path), list[object]()
    crash(tmp_path, "compact.after_manifest", "compact_all")

    def watched(one: Path, other: Path) -> None:
        seen.append(parquet_rows(tmp_path))
        exchange(one, other)

    monkeypatch.setattr(folders, "exchange", watched)
    publish(tmp_path, books)
    assert (seen, parquet_rows(tmp_path), check_snapshots(snapshots(tmp_path))) == ([rows], rows, [])
