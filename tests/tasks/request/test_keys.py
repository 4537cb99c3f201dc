"""Keys that nobody named come from the tables that an earlier run loaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sources import registry
from tasks.buy.plan import plan
from tasks.request.build import request_fresh
from tasks.request.model import Keys
from tasks.request.names import keys_for
from tasks.workspace.settings import Settings
from tasks.workspace.workspace import Workspace
from tests.docs.page import PROJECT
from tests.warehouse.damaged_blocks import spoil
from tests.warehouse.deliveries import DAY, T0, body, grades, pieces
from tests.warehouse.purchases import buy, buy_history
from warehouse.load.self_repair import load


def test_keys_come_from_the_cache_which_repairs_itself_whatever_the_published_file_is_like(tmp_path: Path) -> None:
    """I8: and a note says so."""
    [sold_by_index, *_] = [own for own in registry.datasets() if own.key_column == "index_id"]
    settings = Settings(tmp_path, PROJECT / "policy.toml", f"sqlite:///{tmp_path}/state/ledger.db", 0.0)
    with Workspace(settings, {}) as ws:
        [page, *_] = pieces("indices", ["*"], T0, T0, T0)
        buy(ws.ledger, page, body({"ID": 7, "NAME": "Seven"}, {"ID": 3, "NAME": "Three"}), T0, flow="indices")
        load(ws.cache, ws.ledger)
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / "warehouse.duckdb").write_bytes(b"not a database")
        assert keys_for(ws, sold_by_index) == (("3", "7"), ())
        spoil(ws.cache.path, "indices_observations")
        keys, [note] = keys_for(ws, sold_by_index)
        assert keys == ("3", "7")
        assert "rebuilt from the ledger" in note


def test_a_cache_repaired_while_planning_is_noted_in_the_plan(tmp_path: Path) -> None:
    """I8: the bill and the outcome show the plan's notes."""
    settings = Settings(tmp_path, PROJECT / "policy.toml", f"sqlite:///{tmp_path}/state/ledger.db", 0.0)
    with Workspace(settings, {}) as ws:
        buy_history(ws.ledger, grades([1], T0 - DAY * 9, 5), [1], T0 - DAY * 9, T0 - DAY * 5, T0)
        load(ws.cache, ws.ledger)
        request = request_fresh(ws, "tm-grade-history", reason="test", at=T0, keys=Keys(("1",)))
        spoil(ws.cache.path, "coverage")
        [note] = asyncio.run(plan(ws, request)).request.notes
        assert "rebuilt from the ledger" in note
