"""The entrypoints of prefect.yaml load from any working directory, as a worker's process loads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.flows.server import quiet_environment
from tests.paths import ROOT

LOAD = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
flows = {entrypoint: load_flow_from_entrypoint(entrypoint) for entrypoint in sys.argv[1:]}
print(json.dumps({entrypoint: [flow.name, list(flow.parameters.properties)] for entrypoint, flow in flows.items()}))
"""


def test_every_entrypoint_loads_from_an_empty_folder_and_takes_its_parameters(tmp_path: Path) -> None:
    deployments = _deployments()
    entrypoints = sorted({deployment["entrypoint"] for deployment in deployments})
    empty, home = tmp_path / "empty", tmp_path / "prefect"
    empty.mkdir()
    env = {name: value for name, value in quiet_environment(home, {}).items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *entrypoints], cwd=empty, env=env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert {entrypoint: name for entrypoint, (name, _) in loaded.items()} == {
        entrypoint: entrypoint.rpartition(".")[2] for entrypoint in entrypoints
    }
    for deployment in deployments:
        assert set(deployment["parameters"]) <= set(loaded[deployment["entrypoint"]][1]), deployment["name"]


def test_every_flow_that_can_be_scheduled_is_in_the_deployment_file() -> None:
    entrypoints = {deployment["entrypoint"] for deployment in _deployments()}
    flows = {path.stem for path in (ROOT / "flows").glob("*.py") if "@flow(" in path.read_text()}
    assert entrypoints == {f"flows.{name}.{name}" for name in flows}


def _deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.yaml.decode((ROOT / "prefect.yaml").read_bytes())["deployments"]
    return found
