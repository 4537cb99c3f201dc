"""README shows only what is there, and its commands run as written."""

from __future__ import annotations

import re
import shlex

from tests.cli.conftest import Command
from tests.docs.page import PROJECT
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
