"""docs/notebook.py and docs/dashboard.py: what they ask is answered, they run, and they say what they need."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.paths import DOCS, ROOT
from warehouse.query import query

NOTEBOOK, DASHBOARD = DOCS / "notebook.py", DOCS / "dashboard.py"
BOTH = pytest.mark.parametrize("path", [NOTEBOOK, DASHBOARD], ids=["notebook", "dashboard"])


def questions(path: Path) -> list[str]:
    """The SQL of every mo.sql(…) that asks the same whatever is chosen on the page."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    asked = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "sql"]
    return [str(ast.literal_eval(call.args[0])) for call in asked if isinstance(call.args[0], ast.Constant)]


@BOTH
def test_every_question_finds_rows(path: Path, market_home: Path) -> None:
    assert len(questions(path)) >= 5
    for sql in questions(path):
        assert query(market_home, sql)[1], sql


RUN = """
import importlib.util, os, sys
for number, (path, home) in enumerate(zip(sys.argv[1::2], sys.argv[2::2])):
    os.environ["TOLLBOOK_HOME"] = home
    found = importlib.util.spec_from_file_location(f"page{number}", path)
    page = importlib.util.module_from_spec(found)
    found.loader.exec_module(page)
    shown, _ = page.app.run()
    print(len([one for one in shown if one is not None]))
"""


def test_every_cell_of_both_runs_in_a_home_that_has_all_and_in_one_that_has_nothing(
    market_home: Path, empty_home: Path
) -> None:
    """marimo runs them without a browser; a cell that raises ends the run."""
    homes = [(path, home) for path in (NOTEBOOK, DASHBOARD) for home in (market_home, empty_home)]
    words = [str(word) for pair in homes for word in pair]
    command = [sys.executable, "-c", RUN, *words]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [int(word) >= 4 for word in done.stdout.split()] == [True] * 4


@BOTH
def test_they_open_nothing_but_the_published_file(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "tollbook.connect(" in text
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.M))
    assert imported == {"marimo", "os", "altair", "tollbook"}


@BOTH
def test_the_script_header_names_every_package_that_is_imported(path: Path) -> None:
    """`--sandbox` installs these and nothing else; marimo's SQL cells need polars and sqlglot beside."""
    text = path.read_text("utf-8")
    header = "\n".join(line[2:] for line in text.split("# ///")[1].splitlines()[1:])
    named = {re.split(r"[<>=]", package)[0] for package in tomllib.loads(header)["dependencies"]}
    imported = set(re.findall(r"^\s*import (\w+)", text, re.M)) - {"os"}
    assert imported | {"polars", "sqlglot"} <= named


@BOTH
def test_the_page_gives_its_own_command(path: Path) -> None:
    [command] = re.findall(r"`(uvx marimo [^`]*)`", path.read_text("utf-8"))
    assert command in (DOCS / "data.md").read_text("utf-8")
