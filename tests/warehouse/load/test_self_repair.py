"""A cache that turns out damaged while it is used, and trouble that only looks like damage."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import duckdb
import pytest

from sources import registry
from tests.warehouse.damaged_blocks import spoil
from tests.warehouse.deliveries import DAY, T0
from tests.warehouse.sample_deliveries import story
from warehouse.cache.generation import read_meta, write_meta
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache
from warehouse.coverage.held import held
from warehouse.load import self_repair
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import damaged_files, load, with_repair

Hashes = dict[str, str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Hashes]:
    """A home with the story loaded, and its hashes."""
    home = tmp_path_factory.mktemp("filled")
    cache = Cache(home)
    load(cache, story())
    return home, hashes(cache)


@pytest.fixture
def cache(tmp_path: Path, filled: tuple[Path, Hashes]) -> Cache:
    shutil.copytree(filled[0], tmp_path, dirs_exist_ok=True)
    return Cache(tmp_path)


def hashes(cache: Cache) -> Hashes:
    with cache.open() as con:
        return fingerprints(con)


def test_a_rebuild_repairs_a_cache_with_a_block_that_cannot_be_read(cache: Cache, filled: tuple[Path, Hashes]) -> None:
    """I8: the remedy works on what it is for."""
    spoil(cache.path, "grades_observations")
    done = rebuild(cache.home, story())
    assert (done.before, done.after) == ({}, filled[1])
    assert hashes(cache) == filled[1]


def test_a_block_that_only_planning_reads_is_repaired_while_planning(cache: Cache, filled: tuple[Path, Hashes]) -> None:
    """I8: a load with nothing new does not come across it."""
    spoil(cache.path, "coverage")
    books, history = story(), registry.dataset("tm-grade-history")
    assert load(cache, books).notes == ()
    first, last = ((T0 - DAY * days).toordinal() - 719163 for days in (5, 1))
    cells, [note] = with_repair(cache, books, lambda cache: held(cache, history, ["1"], first, last, T0))
    assert cells.spans == held(cache, history, ["1"], first, last, T0).spans != {}
    assert note.startswith("the cache could not be read")
    assert hashes(cache) == filled[1]


def _always_fails(*_: object) -> None:
    raise duckdb.InternalException("INTERNAL Error: a defect of this release")


def test_trouble_that_a_fresh_file_has_just_as_well_is_no_damage(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every run would move the whole cache aside, until the disk is full."""
    with monkeypatch.context() as patched:
        patched.setattr(self_repair, "load_missing", _fails_having_begun(cache))
        for _ in range(3):
            with pytest.raises(duckdb.InternalException):
                load(cache, story())
        assert len(damaged_files(cache)) == 1
    assert load(cache, story()).deliveries == 14


def _fails_having_begun(cache: Cache) -> object:
    def begin(*_: object) -> None:
        with cache.open() as con:
            assert read_meta(con)["whole"] in ("yes", "no")
        _always_fails()

    return begin


def test_no_more_than_two_damaged_files_are_kept(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            spoil(cache.path, "loads")
            notes += load(Cache(cache.home), story()).notes
    kept = [path.name for path in damaged_files(cache)]
    assert len(kept) == 2
    assert [name for name in kept for note in notes[1:] if name in note] == kept


def test_a_cache_replaced_by_another_process_is_filled_before_it_is_used(cache: Cache) -> None:
    with cache.open() as con:
        write_meta(con, whole="no")
    tokens = registry.dataset("tokens")
    assert with_repair(cache, story(), lambda cache: held(cache, tokens, ["*"], 1, 1, T0).spans) == ({}, ())
