"""The inodes behind the analysts' name: none is written while it may be read, and none goes uncounted."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.purchases import buy_history
from warehouse.cache.store import Cache
from warehouse.load import parallel as readers
from warehouse.load.self_repair import load
from warehouse.publish import versions
from warehouse.publish.open_files import held_versions
from warehouse.publish.publication import Publication
from warehouse.publish.publish import publish


def another(home: Path, ledger: Ledger, number: int) -> Publication:
    """One more publication, with one more purchase of ten rows in it."""
    first = T0 - 30 * DAY * (number + 1)
    buy_history(ledger, grades([1], first, 10), [1], first, first + 9 * DAY, T0 + number * DAY)
    load(Cache(home), ledger)
    return publish(home, ledger)


_OPENING = """
import hashlib, os, sys
files = []
for line in sys.stdin:
    if line == "read\\n":
        print(*[hashlib.sha256(os.read(file, 1 << 30)).hexdigest() for file in files], flush=True)
    else:
        files.append(os.open(line.strip(), os.O_RDONLY))
        print("opened", flush=True)
"""


class Copying:
    """A process that opens files as `cp` does, without any lock, and reads them much later."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.child = subprocess.Popen([sys.executable, "-c", _OPENING], stdin=pipe, stdout=pipe, text=True)

    def ask(self, words: object) -> list[str]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{words}\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().split()

    def end(self) -> None:
        self.child.communicate()


@pytest.fixture
def copying() -> Iterator[Copying]:
    own = Copying()
    yield own
    own.end()


def test_looking_whether_anything_is_new_leaves_the_lock_of_a_session_in_this_process(
    tmp_path: Path, ledger: Ledger
) -> None:
    """I7: closing a second descriptor on the public file would drop it, and a publisher elsewhere might write."""
    path = another(tmp_path, ledger, 0).path
    with duckdb.connect(str(path), read_only=True):
        assert publish(tmp_path, ledger).changed is False
        code = "import duckdb, sys; duckdb.connect(sys.argv[1])"
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert "Could not set lock" in other.stderr


def test_versions_that_are_copied_are_never_written_and_all_counted_also_without_a_name(
    tmp_path: Path, ledger: Ledger, copying: Copying
) -> None:
    """I7: a copy takes no lock. Six versions held at once are more than get to keep a name."""
    path, hashes = tmp_path / "published" / "warehouse.duckdb", []
    for number in range(6):
        assert copying.ask(path) == ["opened"]
        hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
        done = another(tmp_path, ledger, number)
        assert (done.held.files, done.held.bytes > 0) == (number + 1, True)
    assert copying.ask("read") == hashes
    assert len(list((tmp_path / "published" / ".private").glob("*.duckdb"))) <= 7
    assert held_versions(tmp_path / "published").files == 6
    copying.end()
    assert another(tmp_path, ledger, 6).held.files == 0
    publish(tmp_path, ledger)
    assert len(list((tmp_path / "published" / ".private").glob("[sr]*-*.duckdb"))) <= 2


def test_what_was_public_last_is_not_the_next_to_be_written(tmp_path: Path, ledger: Ledger) -> None:
    """A copy that the system doesn't show has the time of a whole publication to finish."""
    for number in range(2):
        path = another(tmp_path, ledger, number).path
        public = path.stat().st_ino
        content = path.read_bytes()
        kept = tmp_path / "kept"
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)
        another(tmp_path, ledger, 10 + number)
        assert (kept.stat().st_ino, kept.read_bytes() == content) == (public, True)


Copier = Callable[[str], None]


@pytest.fixture(params=["cp", "no cp"])
def copier(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copier:
    """Put Python code before the copying: by the system's command, or where there is none."""
    commands = tmp_path / "commands"
    commands.mkdir()
    if request.param == "no cp":
        monkeypatch.setenv("PATH", str(commands))
        return lambda code: monkeypatch.setattr(versions, "_COPY", f"{code}\n{versions._COPY}")
    copying = f"import os, sys; os.execv({shutil.which('cp')!r}, ['cp', *sys.argv[1:]])"
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")

    def before(code: str) -> None:
        (commands / "cp").write_text(f"#!{sys.executable} -S\n{code}\n{copying}\n")
        (commands / "cp").chmod(0o755)

    return before


def test_a_copy_that_fails_is_an_error_of_the_disk_and_the_public_file_stays(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, copier: Copier
) -> None:
    copier("raise OSError(28, 'No space left on device')")
    path = tmp_path / "published" / "warehouse.duckdb"
    inode = path.stat().st_ino
    with pytest.raises(OSError, match="No space left"):
        another(tmp_path, ledger, 0)
    assert path.stat().st_ino == inode
    monkeypatch.undo()
    assert publish(tmp_path, ledger).deliveries == 1


@pytest.mark.usefixtures("copier")
def test_a_copy_is_the_publics_content_and_may_be_written(tmp_path: Path, ledger: Ledger) -> None:
    another(tmp_path, ledger, 0)
    standby = versions.Standby(tmp_path / "published")
    standby.copy_public()
    assert standby.path.read_bytes() == standby.public.read_bytes()
    assert (standby.public.stat().st_mode & 0o777, standby.path.stat().st_mode & 0o777) == (0o444, 0o644)


def test_no_child_is_told_a_secret(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, copier: Copier
) -> None:
    """I10."""
    monkeypatch.setenv("TOLLBOOK_PRIVATE_KEY", "0x" + "ab" * 32)
    told = tmp_path / "told"
    copier(f"open({str(told)!r}, 'wb').write(open('/proc/self/environ', 'rb').read())")
    another(tmp_path, ledger, 0)
    worker = readers._Worker()
    worker.read([])
    environments = told.read_bytes(), Path(f"/proc/{worker._process.pid}/environ").read_bytes()
    worker.stop()
    for environment in environments:
        assert b"PATH=" in environment
        assert b"TOLLBOOK" not in environment
        assert b"abab" not in environment
