"""CONTRIBUTING.md: its commands exist, the tests that it names are there, and the hooks need nothing from outside."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from tests.paths import ROOT
from tollbook.cli.app import VERBS

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
LINES = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
COMMANDS = [shlex.split(line.removesuffix("&"), comments=True) for line in LINES]


def selections() -> list[list[str]]:
    """The arguments of every pytest command, from the environment's own and from `make test ARGS=…`."""
    own = [command[3:] for command in COMMANDS if command[:3] == [".venv/bin/python", "-m", "pytest"]]
    by_make = [
        shlex.split(word.removeprefix("ARGS="))
        for command in COMMANDS
        for word in command
        if command[:2] == ["make", "test"] and word.startswith("ARGS=")
    ]
    return own + by_make


def test_every_command_is_of_a_kind_that_is_checked_here() -> None:
    known = {"make", ".venv/bin/python", ".venv/bin/tollbook", ".", "curl", "uvx"}
    assert {command[0] for command in COMMANDS} == known


def test_every_make_target_exists() -> None:
    hooks = msgspec.yaml.decode((ROOT / ".pre-commit-config.yaml").read_bytes())["repos"][0]["hooks"]
    named = [command[1] for command in COMMANDS if command[0] == "make"] + [hook["entry"].split()[1] for hook in hooks]
    assert {"check", "test", "format", "sim", "bench", "lock", "style", "types"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target


@pytest.mark.parametrize("arguments", selections(), ids=" ".join)
def test_every_test_that_it_names_is_found(arguments: list[str]) -> None:
    [path] = [word for word in arguments if word.startswith("tests/")]
    assert (ROOT / path).exists()
    if "-k" in arguments:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_that_it_runs_exists() -> None:
    modules = {command[2] for command in COMMANDS if command[:2] == [".venv/bin/python", "-m"]}
    assert modules == {"pytest", "tests.docs.generate"}
    assert all(find_spec(module) for module in modules)


def test_every_verb_and_every_link_is_there() -> None:
    assert {command[1] for command in COMMANDS if command[0].endswith("/tollbook")} <= set(VERBS)
    for path in re.findall(r"\]\((?!https?:|#)([^)#]+)", PAGE):
        assert (ROOT / path).exists(), path


def test_the_hooks_run_make_alone() -> None:
    [repository] = msgspec.yaml.decode((ROOT / ".pre-commit-config.yaml").read_bytes())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith("make ")


def test_the_names_in_its_text_exist() -> None:
    assert (ROOT / "sandbox" / "faults.py").is_file()
    assert "ONLY_THE_SANDBOX" in (ROOT / "tests" / "wheel" / "test_installed.py").read_text()
    point = re.findall(r'crash_point\("([^"]+)"\)', PAGE)
    sources = [path.read_text() for path in Path(ROOT / "warehouse").rglob("*.py")]
    assert point
    assert all(any(f'"{name}"' in text for text in sources) for name in point)
