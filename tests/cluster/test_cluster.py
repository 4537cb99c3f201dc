"""The short form of `make cluster`: everything is killed once, and books, caps and rows are as they must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.check import reckon
from tests.cluster.play import VICTIMS, cluster
from tests.scale import SCALE

CAPS = {"per_run": "3.00", "per_flow_day": "6.00", "per_day": "0.60"}
"""The day's cap is reached: 35 calls are what all three workers may make together."""


@pytest.mark.timeout(900)
def test_three_workers_buy_and_publish_as_one_while_everything_is_killed(tmp_path: Path) -> None:
    """I1, I3, I5, I7, I8. Some seconds, or as long as it takes to strike each victim."""
    with cluster(tmp_path, 6 * SCALE, 7, CAPS) as played:
        played.play()
        reckon(played)
    proof = played.proof
    assert proof.wrong == [], proof.line()
    assert proof.reader_errors == []
    assert set(proof.reads) == ({"bucket", "folder", "lake"} if played.lake else {"bucket", "folder"})
    assert all(proof.reads.values())
    assert proof.purchases > 0
    assert all(proof.struck[victim] for victim in VICTIMS)
