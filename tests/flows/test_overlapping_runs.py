"""Overlapping backfills at the same time, from two homes on one ledger: every cell is paid for once."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.cli.process import COMMAND
from tests.paths import ROOT

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

IN_TURN = 3
"""Calls that the two take one after the other: two windows of 45 days, and the rest of the other range."""

RANGES = (("2026-09-01", "2026-10-15"), ("2026-09-20", "2026-11-05"))


def test_two_homes_that_want_the_same_cells_at_once_buy_them_once(world: World, buyer: Buyer) -> None:
    """I1, and one bill for what both want: in different windows, from different processes, caches and homes."""
    url = f"sqlite:///{buyer.home / 'state' / 'ledger.db'}"
    (buyer.home / "state").mkdir(parents=True, exist_ok=True)
    children = []
    for number, (first, last) in enumerate(RANGES):
        command = [*COMMAND, "backfill", "trading-signals", "--yes", "--json"]
        command += ["--from", first, "--to", last, "--tokens", "3375,3306,3988"]
        home = buyer.home if number == 0 else buyer.home.with_name(f"{buyer.home.name}-{number}")
        env = {**os.environ, **buyer.env, "TOLLBOOK_HOME": str(home), "TOLLBOOK_LEDGER_URL": url}
        children.append(
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    said = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    documents = [json.loads(out) for out, _ in said]
    assert sum(document["calls_paid"] for document in documents) == len(world.transfers(buyer.address)) == IN_TURN
