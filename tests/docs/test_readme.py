"""README shows only what is there, and its commands run as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Command
from tests.docs.page import PROJECT
from tests.paths import PACKAGES
from tollbook.cli.app import VERBS

README = (PROJECT / "README.md").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()
BLOCKS = "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", README, re.S | re.M))
CODE = BLOCKS + "\n" + "\n".join(re.findall(r"`([^`\n]+)`", README))
[FIRST] = re.findall(r"^```sh first\n(.*?)^```", README, re.S | re.M)
COMMANDS = [
    shlex.split(line, comments=True) for line in BLOCKS.replace(FIRST, "").splitlines() if line.startswith("tollbook ")
]


def test_every_make_target_it_names_exists() -> None:
    named = set(re.findall(r"^make ([a-z-]+)", CODE, re.M))
    assert {"demo", "test"} <= named
    assert {target for target in named if not re.search(rf"^{target}:", MAKEFILE, re.M)} == set()


def test_every_verb_it_names_exists() -> None:
    assert set(re.findall(r"^tollbook ([a-z][a-z-]+)", CODE, re.M)) <= set(VERBS)


def test_every_file_it_links_exists() -> None:
    for path in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (PROJECT / path).exists(), path


def test_its_commands_run_as_written(tollbook: Command) -> None:
    """In the paid world; a backfill asks, and here nobody is there to say yes."""
    assert COMMANDS
    for command in COMMANDS:
        yes = ["--yes"] if command[1] == "backfill" else []
        said = tollbook(*command[1:], *yes, PREFECT_API_URL=None)
        assert said.code == 0, (command, said.err)


def test_its_first_example_can_be_pasted_into_an_empty_folder(tmp_path: Path) -> None:
    """As a whole, by a shell with nothing of tollbook in its environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TOLLBOOK_", "PREFECT_API"))}
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "tollbook").write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.cli.process "$@"\n')
    (scripts / "tollbook").chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-c", FIRST],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "paid calls" in done.stdout
    assert (tmp_path / "books" / "published" / "warehouse.duckdb").exists()


def test_the_overview_can_be_read_in_light_and_dark_and_without_eyes() -> None:
    picture = (PROJECT / "docs" / "overview.svg").read_text()
    assert "prefers-color-scheme: dark" in picture
    assert all(part in picture for part in ("<title", "<desc", 'role="img"'))
    ElementTree.fromstring(picture)
    assert re.search(r"!\[[^\]]{40,}\]\(docs/overview\.svg\)", README)


def test_its_python_runs_as_written(tollbook: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """On what a buyer of the paid world published; `frame` has the columns that the SQL beside it names."""
    [code] = re.findall(r"^```python\n(.*?)^```", README, re.S | re.M)
    assert tollbook("run", "grades", "signals", PREFECT_API_URL=None).code == 0
    monkeypatch.setenv("TOLLBOOK_HOME", tollbook.env["TOLLBOOK_HOME"])
    names: dict[str, Any] = {}
    exec(code, names)
    assert {"token_symbol", "date", "trading_signal"} <= set(names["frame"].columns)


def test_every_package_is_in_its_table_of_folders() -> None:
    assert set(re.findall(r"^\| `(\w+)/` \|", README, re.M)) == set(PACKAGES)
