"""DuckDB's log beside the cache: what a closing left is replayed; what a killed process left, or damage, is not."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scale import SCALE
from tests.warehouse.child_processes import line, run, start
from tests.warehouse.sample_deliveries import story
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.load.report import LoadReport
from warehouse.load.self_repair import load

ZEROS, SEVENS = b"\0" * 64, b"\x07" * 64
"""Even numbers of equal words: DuckDB's checksum does not see them where they replace others of the kind."""


def hashes(cache: Cache) -> dict[str, str]:
    with cache.open() as con:
        return fingerprints(con)


def _overwrite(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


def _by_a_killed_process(home: Path) -> Cache:
    """The cache with all of a story in its log, by a process that died before it closed the file."""
    code, _ = run("load", home, crash_at="load.after_commit")
    assert code == -signal.SIGKILL
    return Cache(home)


def _by_one_that_ended_well(home: Path) -> Cache:
    load(Cache(home), story())
    return Cache(home)


@pytest.mark.parametrize("what", [ZEROS, SEVENS, None], ids=["zeros", "sevens", "noise"])
@pytest.mark.parametrize("left", [_by_a_killed_process, _by_one_that_ended_well], ids=lambda how: how.__name__[4:])
def test_a_log_damaged_anywhere_costs_nothing(
    left: Callable[[Path], Cache], what: bytes | None, tmp_path: Path
) -> None:
    """I8: not even where DuckDB replays the damage as data: 25 of 250 places with zeros, 13 of 250 with sevens."""
    undisturbed = _by_one_that_ended_well(tmp_path / "undisturbed")
    wanted = hashes(undisturbed)
    size = left(tmp_path / "left").log.path.stat().st_size
    chance = random.Random(64)
    for number in range(8 * SCALE):
        home = tmp_path / str(number)
        shutil.copytree(tmp_path / "left", home)
        cache = Cache(home)
        _overwrite(cache.log.path, chance.randrange(size - 64), what or chance.randbytes(64))
        load(cache, story())
        assert hashes(cache) == wanted
        shutil.rmtree(home)


def test_what_a_killed_process_left_is_loaded_again(tmp_path: Path) -> None:
    """Nobody vouched for it. What was closed before it stays, and nothing is rebuilt."""
    load(Cache(tmp_path), story().only())
    cache = Cache(tmp_path)
    before = cache.log.path.read_bytes()
    _by_a_killed_process(tmp_path)
    assert len(cache.log.path.read_bytes()) > len(before)
    with cache.open() as con:
        assert con.execute("SELECT count(*) FROM loads").fetchall() == [(0,)]
    assert cache.log.path.read_bytes() == before
    assert _told(load(cache, story())) == (14, ())


def test_a_log_that_changed_after_closing_is_named_as_damage_to_who_only_opens_the_file(tmp_path: Path) -> None:
    cache = _by_one_that_ended_well(tmp_path)
    middle = cache.log.path.stat().st_size // 2
    [was] = cache.log.path.read_bytes()[middle : middle + 1]
    _overwrite(cache.log.path, middle, bytes([was ^ 0xFF]))  # Zeros may be what stands there.
    for _ in range(2):  # Whoever could not open it has not vouched for it.
        with pytest.raises(CacheDamaged, match="the checksum of its log is not what the last"), cache.open():
            pass
    [note] = load(cache, story()).notes
    assert "rebuilt from the ledger" in note


@pytest.mark.parametrize("content", [b"", b"1 2 3", b"12 no-number"])
def test_a_note_that_can_not_be_read_costs_a_rebuild(content: bytes, tmp_path: Path) -> None:
    cache = _by_one_that_ended_well(tmp_path)
    wanted = hashes(cache)
    cache.log.note.write_bytes(content)
    assert len(load(cache, story()).notes) == 1
    assert hashes(cache) == wanted


def test_a_process_killed_between_writing_the_log_into_the_file_and_the_note_costs_nothing(tmp_path: Path) -> None:
    cache = _by_one_that_ended_well(tmp_path)
    note = cache.log.note.read_bytes()
    with cache.locked():
        cache.checkpoint()
    cache.log.note.write_bytes(note)
    assert _told(load(Cache(tmp_path), story())) == (0, ())


def test_a_log_from_before_there_were_notes_is_replayed(tmp_path: Path) -> None:
    """A home of an earlier release is not rebuilt for the want of a note; the next closing makes one."""
    cache = _by_one_that_ended_well(tmp_path)
    cache.log.note.unlink()
    assert _told(load(cache, story())) == (0, ())
    assert cache.log.note.exists()


def test_a_log_lost_between_two_loads_of_a_process_is_noticed_by_the_second(tmp_path: Path) -> None:
    """A process remembers what it loaded, and asks the file only where something has been written to it since."""
    cache = Cache(tmp_path)
    assert load(cache, story()).deliveries == 14
    cache.log.remove()
    assert load(cache, story()).deliveries == 14


def test_the_log_of_a_program_that_has_the_file_open_is_left_alone(
    tmp_path: Path,
) -> None:
    """Cutting off what a living shell has committed would take its work from under it."""
    load(Cache(tmp_path), story())
    with start("shell_that_writes", tmp_path, 2) as shell:
        assert line(shell) == "held"
        cache = Cache(tmp_path)
        held = cache.log.path.read_bytes()
        cache.log.drop_unvouched()
        assert cache.log.path.read_bytes() == held
        assert load(cache, story()).deliveries == 0
    with Cache(tmp_path).open() as con:
        assert con.execute("FROM theirs").fetchall() == [(1,)]


def _told(report: LoadReport) -> tuple[int, tuple[str, ...]]:
    return report.deliveries, report.notes
