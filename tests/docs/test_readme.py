"""README shows only what is there, and its commands run as written."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.docs.page import PROJECT
from tests.paths import PACKAGES
from tollbook.cli.app import VERBS

README = (PROJECT / "README.md").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()
BLOCKS = "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", README, re.S | re.M))
CODE = BLOCKS + "\n" + "\n".join(re.findall(r"`([^`\n]+)`", README))
COMMANDS = [shlex.split(line, comments=True) for line in BLOCKS.splitlines() if line.startswith("tollbook ")]


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
