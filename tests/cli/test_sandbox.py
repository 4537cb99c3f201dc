"""`tollbook sandbox`: the paid world in the foreground, for a person and for other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tollbook.cli.main", "sandbox", "--home", str(home), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})


def document(child: subprocess.Popen[str]) -> dict[str, Any]:
    """The first JSON document that the child prints, though it goes on running."""
    assert child.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        line = child.stdout.readline()
        assert line, "the sandbox ended before it was ready"
        text += line
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_says_ready_writes_its_files_and_ends_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    with start(tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("ready ")
        exports = (tmp_path / "sandbox.env").read_text()
        assert all(line.startswith("export TOLLBOOK_") for line in exports.splitlines())
        assert "[sellers.tokenmetrics]" in (tmp_path / "policy.toml").read_text()
        child.send_signal(stop)
        assert child.wait(20) == 0


def test_the_same_home_continues_at_the_same_addresses_and_is_served_once(tmp_path: Path) -> None:
    with start(tmp_path, "--json") as child:
        first = document(child)
        with start(tmp_path, "--json") as second:
            said, _ = second.communicate(timeout=60)
            assert second.returncode == 2
            assert "another sandbox serves" in json.loads(said)["error"]["what"]
        child.terminate()
        child.wait(20)
    with start(tmp_path, "--json") as child:
        assert document(child) == first
        child.terminate()
        assert child.wait(20) == 0
