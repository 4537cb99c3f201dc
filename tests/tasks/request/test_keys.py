"""Keys that nobody named come from the tables that an earlier run loaded."""

from __future__ import annotations

from pathlib import Path

from sources import registry
from tasks.request.keys import keys_for
from tasks.workspace.settings import Settings
from tasks.workspace.workspace import Workspace
from tests.docs.page import PROJECT
from tests.warehouse.books import T0, body, pieces
from tests.warehouse.purchases import buy
from tests.warehouse.spoiled_blocks import spoil


def test_keys_come_from_the_cache_which_mends_itself_whatever_the_published_file_is_like(tmp_path: Path) -> None:
    """I8: and the next load's report says so."""
    [sold_by_index, *_] = [own for own in registry.datasets() if own.key_column == "index_id"]
    settings = Settings(tmp_path, PROJECT / "policy.toml", f"sqlite:///{tmp_path}/state/ledger.db", 0.0)
    with Workspace(settings, {}) as ws:
        [page, *_] = pieces("indices", ["*"], T0, T0, T0)
        buy(ws.ledger, page, body({"ID": 7, "NAME": "Seven"}, {"ID": 3, "NAME": "Three"}), T0, flow="indices")
        ws.cache.load(ws.ledger)
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / "warehouse.duckdb").write_bytes(b"not a database")
        assert keys_for(ws, sold_by_index) == ("3", "7")
        spoil(ws.cache.path, "indices_observations")
        assert keys_for(ws, sold_by_index) == ("3", "7")
        assert "made anew from the ledger" in (ws.cache.load(ws.ledger).note or "")
