"""The file lock: waiters take turns without failing; no lock outlives its holder or is dropped by it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.warehouse.child_processes import line, start
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.sample_deliveries import story
from warehouse.cache import store as caching
from warehouse.cache.locking import AlreadyHeld, file_lock
from warehouse.cache.store import Cache, CacheBusy
from warehouse.load.self_repair import load


def test_the_second_process_waits_and_does_not_fail(tmp_path: Path) -> None:
    with start("hold", tmp_path, 1.0) as holder:
        assert line(holder) == "held"
        waiting_since = time.monotonic()
        with Cache(tmp_path).open() as con:
            assert con.execute("SELECT count(*) FROM loads").fetchall() == [(0,)]
        assert time.monotonic() - waiting_since > 0.5


def test_a_killed_holder_lets_go_at_once(tmp_path: Path) -> None:
    with start("hold", tmp_path, 600) as holder:
        assert line(holder) == "held"
        holder.send_signal(signal.SIGKILL)
        with Cache(tmp_path).open() as con:
            assert con.execute("SELECT count(*) FROM loads").fetchall() == [(0,)]


def test_turns_are_shared_and_nobody_starves(tmp_path: Path) -> None:
    """Four processes that let go and come back at once: each gets its share, and waits for a few turns at most."""
    seconds, each = 3.0, 0.01
    children = [start("take_turns", tmp_path, seconds, each) for _ in range(4)]
    for child in children:
        assert line(child) == "ready"
    printed = [line(child).split() for child in children]
    for child in children:
        child.communicate()
    turns = [int(count) for count, _ in printed]
    longest = max(float(wait) for _, wait in printed)
    print(f"turns {turns}, longest wait {longest * 1000:.0f} ms")
    assert min(turns) > max(turns) / 4
    assert longest < seconds / 3


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with file_lock(tmp_path / "own.lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_opening_what_this_thread_holds_is_an_error_and_no_deadlock(tmp_path: Path) -> None:
    with Cache(tmp_path).open(), pytest.raises(AlreadyHeld, match="close the cache"), Cache(tmp_path).open():
        pass
    with Cache(tmp_path).open():
        pass


def test_a_shell_that_has_the_file_open_is_waited_for(tmp_path: Path) -> None:
    load(Cache(tmp_path), story())
    with start("shell", tmp_path, 1.0) as shell:
        assert line(shell) == "held"
        assert load(Cache(tmp_path), story()).deliveries == 0


def test_a_shell_that_never_closes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(Cache(tmp_path), story())
    monkeypatch.setattr(caching, "FOREIGN_LOCK_SECONDS", 0.3)
    with start("shell", tmp_path, 600) as shell:
        assert line(shell) == "held"
        with pytest.raises(CacheBusy, match=f"PID {shell.pid}"):
            load(Cache(tmp_path), story())
        shell.kill()
    assert load(Cache(tmp_path), story()).deliveries == 0


@pytest.mark.usefixtures("made_files")
def test_no_module_opens_a_database_file_by_other_means(tmp_path: Path) -> None:
    """Closing a second handle on an open DuckDB file drops its lock, and a second writer gets in unseen. The log is
    looked at only while this process has neither open."""
    from tests.warehouse.purchases import buy_history, open_ledger
    from warehouse.load.rebuild import rebuild
    from warehouse.publish.publish import compact, publish

    opened: list[str] = []
    watching = False

    def note(event: str, details: tuple[object, ...]) -> None:
        if not watching or event != "open":
            return
        path = str(details[0])
        in_use = {os.readlink(each.path) for each in os.scandir("/proc/self/fd") if os.path.islink(each.path)}
        if path.endswith(".duckdb") or (path.endswith(".wal") and in_use & {path, path.removesuffix(".wal")}):
            opened.append(path)

    sys.addaudithook(note)
    cache = Cache(tmp_path)
    with open_ledger(tmp_path) as ledger:
        watching = True
        for number in range(4):
            at = T0 + DAY * number
            buy_history(ledger, grades([number], T0, 1), [number], T0, T0, at)
            load(cache, ledger)
            publish(tmp_path, ledger)
        compact(tmp_path, ledger)
        rebuild(tmp_path, ledger)
        watching = False
        cache.path.write_bytes(b"no database")
        watching = True
        assert load(cache, ledger).notes != ()
        publish(tmp_path, ledger, rebuild=True)
        cache.tokens()
        watching = False
    assert opened == []


def test_the_lock_is_held_while_a_connection_is_open(tmp_path: Path) -> None:
    """A second writer is kept out by DuckDB too, as nothing dropped its lock."""
    import duckdb

    with Cache(tmp_path).open() as con:
        con.execute("CREATE TABLE mine AS SELECT 1 AS one")
        code = "import duckdb, sys; duckdb.connect(sys.argv[1])"
        import subprocess

        other = subprocess.run(
            [sys.executable, "-c", code, str(Cache(tmp_path).path)], capture_output=True, text=True, check=False
        )
        assert "Could not set lock" in other.stderr
    with duckdb.connect(str(Cache(tmp_path).path)) as con:
        assert con.execute("FROM mine").fetchall() == [(1,)]


def test_one_file_by_two_names_is_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a thread that holds a home by its whole name would wait for itself by the relative one, for ever."""
    monkeypatch.chdir(tmp_path)
    with file_lock(tmp_path / "cache.lock"), pytest.raises(AlreadyHeld), file_lock(Path("cache.lock")):
        pass
