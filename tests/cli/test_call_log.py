"""A run's log and its metrics, end to end: each call as JSON while it is made, and the metrics once the run is over."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def test_a_run_logs_each_call_and_writes_its_metrics(tollbook: Command, tmp_path: Path) -> None:
    metrics = tmp_path / "tollbook.prom"
    ours = {"TOLLBOOK_LOG": "json", "TOLLBOOK_METRICS_FILE": str(metrics)}
    said = tollbook("run", "tm-grade", "--json", **ours)
    assert (said.code, said.document["calls_paid"]) == (0, 1)
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert [line["call"]["state"] for line in lines] == ["delivered", "settled"]
    assert lines[1]["call"]["tx_hash"] in lines[1]["message"]
    assert 'tollbook_spent_asset_units{asset="USDC"} 0.017' in metrics.read_text()
    [cached] = [json.loads(line) for line in tollbook("run", "tm-grade", "--json", **ours).err.splitlines()]
    assert (cached["call"]["state"], cached["call"]["amount"]) == ("cached", "0.017")
