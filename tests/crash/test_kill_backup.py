"""A backup or a restore is SIGKILLed at every point of its path, and at any moment: the books are whole, half a copy is
never taken for one, the next one works, and a run after it all pays nothing twice.

SCALE is how many times as many moments; each finds what the kills before it left.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup, restore
from payer.values.errors import BadCopy, LedgerUnavailable
from tests.cli.conftest import Command, tollbook
from tests.crash import child
from tests.payer.ledger.test_backup import story
from tests.payer.onchain import assert_books_equal_chain
from tests.payer.purchases import bought
from tests.scale import SCALE

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["tollbook"]

KILLS = 3 * SCALE
SEED = int(os.environ.get("TOLLBOOK_KILLS_SEED", "7"))
PURCHASES = 40
BACKUP = ("copy.written", "copy.committed", "backup.settled", "backup.named")
RESTORE = ("restore.read", "copy.written", "copy.committed")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger in use, of most of a megabyte."""
    with Ledger.open(url_of(tmp_path_factory.mktemp("books") / "ledger.db")) as ledger:
        for number in range(PURCHASES):
            bought(ledger, number, os.urandom(20_000))
        yield ledger


@pytest.fixture(scope="module")
def copy(books: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole backup of it."""
    path = tmp_path_factory.mktemp("copy") / "copy.db"
    backup(where(books), path)
    return path


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def where(ledger: Ledger) -> str:
    return str(ledger._engine.url)


def restored(source: Path, books: Ledger, scratch: Path) -> bool:
    """True when a restore takes the file for a backup; then it has to have everything."""
    try:
        restore(source, url_of(scratch))
    except (BadCopy, LedgerUnavailable):
        return False
    with Ledger.open(url_of(scratch)) as ledger:
        assert story(ledger) == story(books)
    return True


def assert_whole_or_refused(folder: Path, books: Ledger, scratch: Path) -> None:
    """Of every file a kill left, a hidden one too, and of what it has under a backup's name."""
    scratch.mkdir()
    for number, path in enumerate(path for path in folder.rglob("*") if path.is_file()):
        whole = restored(path, books, scratch / f"{number}.db")
        assert whole or path.parent != folder, f"{path.name} looks like a backup"


@pytest.mark.parametrize("point", BACKUP)
def test_a_backup_killed_anywhere_leaves_no_half_one_and_the_next_removes_its_rest(
    books: Ledger, tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "backups"
    before = story(books)
    killed = child.begin(backup, where(books), folder / "first.db", crash_at=point)
    assert child.finish(killed) == child.KILLED, f"{point} was not reached"
    assert_whole_or_refused(folder, books, tmp_path / "scratch")
    backup(where(books), folder / "second.db")
    assert [path.name for path in sorted(folder.iterdir())] == ["first.db"] * (point == "backup.named") + ["second.db"]
    assert restored(folder / "second.db", books, tmp_path / "last.db")
    assert story(books) == before


def test_a_backup_beside_one_that_is_still_at_work_leaves_it_alone(books: Ledger, tmp_path: Path) -> None:
    """Only what nobody holds any more is removed."""
    from payer.ledger.backup import copy_folder

    with copy_folder(tmp_path) as at_work:
        backup(where(books), tmp_path / "copy.db")
        assert at_work.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]


@pytest.mark.parametrize("point", RESTORE)
def test_a_restore_killed_anywhere_can_be_repeated(
    books: Ledger, copy: Path, ledger_url: str, tmp_path: Path, point: str
) -> None:
    """All or nothing came; what it left beside the ledger goes with the next."""
    killed = child.begin(restore, copy, ledger_url, crash_at=point)
    assert child.finish(killed) == child.KILLED, f"{point} was not reached"
    with Ledger.open(ledger_url) as ledger:
        assert len(ledger.purchases()) == (PURCHASES if point == "copy.committed" else 0)
    if point != "copy.committed":
        restore(copy, ledger_url)
        assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    with Ledger.open(ledger_url) as ledger:
        assert story(ledger) == story(books)


def killed_at_any_moment(work: Callable[..., object], each: list[tuple[object, ...]]) -> int:
    """Let the first two end, and kill every later one at some moment of the time that the second took. Says how many
    had not ended before."""
    dice, whole, told = random.Random(SEED), 0.0, 0
    for number, arguments in enumerate(each):
        started = time.monotonic()
        process = child.begin(work, *arguments)
        if number < 2:
            assert child.finish(process) == 0
            whole = time.monotonic() - started
            continue
        time.sleep(dice.uniform(0, whole))
        process.kill()
        told += child.finish(process) == child.KILLED
    return told


def test_backups_killed_at_any_moment_leave_no_half_one(books: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    told = killed_at_any_moment(backup, [(where(books), folder / f"{number}.db") for number in range(KILLS + 2)])
    assert_whole_or_refused(folder, books, tmp_path / "scratch")
    backup(where(books), folder / "last.db")
    assert {path.suffix for path in folder.iterdir()} == {".db"}
    print(f"{told} of {KILLS} backups were killed in their midst, seed {SEED}")


def test_restores_killed_at_any_moment_can_be_repeated(books: Ledger, copy: Path, tmp_path: Path) -> None:
    urls = [url_of(tmp_path / f"{number}.db") for number in range(KILLS + 2)]
    told = killed_at_any_moment(restore, [(copy, url) for url in urls])
    for url in urls:
        with Ledger.open(url) as ledger:
            came = len(ledger.purchases())
        assert came in (0, PURCHASES)
        if not came:
            restore(copy, url)
        with Ledger.open(url) as ledger:
            assert story(ledger) == story(books)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    print(f"{told} of {KILLS} restores were killed in their midst, seed {SEED}")


def test_a_ledger_put_back_by_commands_that_were_killed_pays_nothing_twice(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """I1, I5: bought, backed up, the ledger lost, restored, and run again; killed on the way there and back."""
    before, saved = world.balance(buyer.address), str(tmp_path / "copy.db")
    assert tollbook("run", "grades", "--json").code == 0
    paid = len(world.transfers(buyer.address))
    assert child.run_command(tollbook.env, "backup", saved, crash_at="copy.written") == child.KILLED
    assert tollbook("backup", saved, "--json").document["purchases"] == paid
    for path in (buyer.home / "state").glob("ledger.db*"):
        path.unlink()
    assert child.run_command(tollbook.env, "restore", saved, crash_at="copy.written") == child.KILLED
    assert tollbook("restore", saved, "--json").document["purchases"] == paid
    done = tollbook("run", "grades", "--json").document
    assert (done["calls_paid"], done["undelivered"], len(world.transfers(buyer.address))) == (0, 0, paid)
    with Ledger.open(url_of(buyer.home / "state" / "ledger.db")) as ledger:
        assert_books_equal_chain(world, buyer.address, [ledger], before=before)
