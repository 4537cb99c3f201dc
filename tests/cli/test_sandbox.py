"""`tollbook sandbox`: the paid world in the foreground, for a person and for other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


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


def test_it_serves_a_home_once_ends_cleanly_and_continues_at_the_same_addresses(tmp_path: Path) -> None:
    """For a person and ended by SIGINT, then for other processes and ended by SIGTERM."""
    exports = tmp_path / "sandbox.env"
    with start(tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("ready ")
        first = exports.read_text()
        assert all(line.startswith("export TOLLBOOK_") for line in first.splitlines())
        assert "[sellers.tokenmetrics]" in (tmp_path / "policy.toml").read_text()
        with start(tmp_path, "--json") as second:
            said, _ = second.communicate(timeout=60)
            assert second.returncode == 2
            assert "another sandbox serves" in json.loads(said)["error"]["what"]
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    with start(tmp_path, "--json") as child:
        assert document(child)["ready"] is True
        assert exports.read_text() == first
        child.terminate()
        assert child.wait(60) == 0
