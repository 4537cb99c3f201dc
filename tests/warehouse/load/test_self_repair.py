"""A cache that turns out to be damaged while it is used, and what is not damage though it looks like it."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

import duckdb
import pytest

from sources import registry
from tests.warehouse.books import DAY, T0
from tests.warehouse.spoiled_blocks import spoil
from tests.warehouse.story import story
from warehouse.cache.fingerprint import fingerprints
from warehouse.cache.schema import read_meta, write_meta
from warehouse.cache.store import Cache
from warehouse.load import self_repair as healing
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import asides, healed

Hashes = dict[str, str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Hashes]:
    """A home with the story loaded, and its hashes."""
    home = tmp_path_factory.mktemp("filled")
    cache = Cache(home)
    cache.load(story())
    return home, hashes(cache)


@pytest.fixture
def cache(tmp_path: Path, filled: tuple[Path, Hashes]) -> Cache:
    shutil.copytree(filled[0], tmp_path, dirs_exist_ok=True)
    return Cache(tmp_path)


def hashes(cache: Cache) -> Hashes:
    with cache.open() as con:
        return fingerprints(con)


def test_a_rebuild_mends_a_cache_with_a_block_that_cannot_be_read(cache: Cache, filled: tuple[Path, Hashes]) -> None:
    """I8: the remedy works on what it is for."""
    spoil(cache.path, "grades_observations")
    done = rebuild(cache.home, story())
    assert (done.before, done.after) == ({}, filled[1])
    assert hashes(cache) == filled[1]


def test_a_block_that_only_planning_reads_is_mended_while_planning(cache: Cache, filled: tuple[Path, Hashes]) -> None:
    """I8: a load with nothing new does not come across it."""
    spoil(cache.path, "coverage")
    books, history = story(), registry.dataset("tm-grade-history")
    assert cache.load(books).note is None
    first, last = ((T0 - DAY * days).toordinal() - 719163 for days in (5, 1))
    held, note = healed(cache, books, partial(cache.held, history, ["1"], first, last, T0))
    assert held.spans == cache.held(history, ["1"], first, last, T0).spans != {}
    assert note is not None
    assert note.startswith("the cache could not be read")
    assert hashes(cache) == filled[1]


def test_a_note_that_nobody_at_hand_can_say_is_in_the_next_report(cache: Cache) -> None:
    cache.owe("made anew")
    assert [cache.load(story()).note for _ in range(2)] == ["made anew", None]


def _always_fails(*_: object) -> None:
    raise duckdb.InternalException("INTERNAL Error: a defect of this release")


def test_trouble_that_a_fresh_file_has_just_as_well_is_no_damage(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every run would move the whole cache aside, until the disk is full."""
    with monkeypatch.context() as patched:
        patched.setattr(healing, "bring_in", _fails_having_begun(cache))
        for _ in range(3):
            with pytest.raises(duckdb.InternalException):
                cache.load(story())
        assert len(asides(cache)) == 1
    assert cache.load(story()).deliveries == 14


def _fails_having_begun(cache: Cache) -> object:
    def begin(*_: object) -> None:
        with cache.open() as con:
            assert read_meta(con)["whole"] in ("yes", "no")
        _always_fails()

    return begin


def test_no_more_than_two_damaged_files_are_kept(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    notes = []
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            spoil(cache.path, "loads")
            notes.append(Cache(cache.home).load(story()).note)
    kept = [path.name for path in asides(cache)]
    assert len(kept) == 2
    assert [name for name in kept for note in notes[1:] if note and name in note] == kept


def test_a_cache_begun_anew_by_another_process_is_filled_before_it_is_used(cache: Cache) -> None:
    with cache.open() as con:
        write_meta(con, whole="no")
    spans, note = healed(cache, story(), lambda: cache.held(registry.dataset("tokens"), ["*"], 1, 1, T0).spans)
    assert (spans, note) == ({}, None)
