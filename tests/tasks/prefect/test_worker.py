"""A deployed flow that can't do its work fails in the words of the command, and can be repeated."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tasks.ops.compact import compact
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
