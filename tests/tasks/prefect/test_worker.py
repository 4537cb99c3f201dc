"""A deployed flow that can't do its work fails in the words of the command, and can be repeated."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tasks.ops.publish import compact
from tasks.prefect.verdict import Verdict, done
from tasks.prefect.worker import RunFailed, in_workspace
from tasks.workspace.workspace import Workspace
from tests.paths import ROOT
from tests.warehouse.purchases import buy_day, open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.snapshots.manifest import read_manifest


def test_a_compaction_that_can_not_write_says_so_in_plain_words_and_the_next_does_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a folder where the publication's gate was. No class of an exception, no traceback, no number."""
    with open_ledger(tmp_path) as ledger:
        for number in range(2):
            buy_day(ledger, number)
            load(Cache(tmp_path), ledger)
            publish(tmp_path, ledger)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("TOLLBOOK_POLICY", str(ROOT / "policy.toml"))
    monkeypatch.setenv("TOLLBOOK_KEYSTORE", "none, and so none is asked of Prefect")
    gate = tmp_path / "published" / ".publish.gate"
    gate.unlink()
    gate.mkdir()

    async def work(ws: Workspace) -> Verdict:
        return done(await compact(ws))

    with pytest.raises(RunFailed) as failed:
        asyncio.run(in_workspace(work))
    what, *sentences = str(failed.value).split(". ")
    assert what == f"{gate}: Is a directory"
    assert [words.split()[0] for words in sentences] == ["Money:", "Run", "What"]
    gate.rmdir()
    assert asyncio.run(in_workspace(work)).message == "1 months rewritten, 2 files before, 1 after"
    assert len(read_manifest(tmp_path / "published" / "snapshots").files) == 1


def test_a_run_whose_server_died_ends_with_a_word_about_money(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Prefect's own last words are of connections and event loops."""
    from prefect.logging import get_logger

    from tasks.prefect import worker

    async def gone() -> str:
        return "ConnectError refused"

    monkeypatch.setattr(worker, "server_trouble", gone)
    monkeypatch.setattr(get_logger("tollbook"), "propagate", True)
    try:
        with caplog.at_level(logging.INFO):
            get_logger("tollbook").addHandler(caplog.handler)
            asyncio.run(worker.tell_log(done("3 paid calls, 0.051 USDC").state))
    finally:
        get_logger("tollbook").removeHandler(caplog.handler)
        silenced = [logging.getLogger(name).disabled for name in worker.EVENT_LOGGERS]
        for name in worker.EVENT_LOGGERS:
            logging.getLogger(name).disabled = False
    assert all(silenced)
    said = list(dict.fromkeys(record.getMessage() for record in caplog.records))
    assert said[0] == "Completed: 3 paid calls, 0.051 USDC"
    assert "Money: what was sent is booked in the ledger" in said[1]
    assert "nothing is bought twice" in said[1]


def test_outside_of_a_flow_no_server_is_asked() -> None:
    from tasks.prefect.worker import server_trouble

    assert asyncio.run(server_trouble()) == ""
