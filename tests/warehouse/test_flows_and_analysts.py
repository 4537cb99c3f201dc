"""Flows and analysts at once: neither notices the other. The long form is `make bench`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale import SCALE
from tests.warehouse.flows_and_analysts import look_on
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.open_files import held_versions
from warehouse.publish.publish import publish

SECONDS = 3.0 * SCALE

LIBRARIES = ("duckdb", "pandas", "polars")
"""Each with a session that is held open, and with one that comes and goes."""


def test_three_flows_publish_over_and_over_while_analysts_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I7: no error on either side, no torn read, no row before its price; every writer's wait is bounded, and none
    starves."""
    with open_ledger(tmp_path) as ledger:
        load(Cache(tmp_path), ledger)
        publish(tmp_path, ledger)
    seen = look_on(tmp_path, 6, 3, SECONDS, pause=0.1, libraries=LIBRARIES)
    with capsys.disabled():
        print(f"\n{seen}")
    assert seen.errors == ()
    assert seen.sessions >= 6
    assert min(seen.publications) >= 1
    assert min(seen.publications) >= max(seen.publications) / 4
    assert max(seen.waits) < 60
    assert held_versions(tmp_path / "published").files == 0
