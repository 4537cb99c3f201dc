"""docs/notebook.py: what it asks is answered, and it says what it needs. The tools themselves were tried by hand."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from warehouse.query import query

NOTEBOOK = Path("docs/notebook.py")
TEXT = NOTEBOOK.read_text("utf-8")


def questions() -> list[str]:
    """The SQL of every mo.sql(…)."""
    calls = [node for node in ast.walk(ast.parse(TEXT)) if isinstance(node, ast.Call)]
    asked = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "sql"]
    return [str(ast.literal_eval(call.args[0])) for call in asked]


def test_every_question_of_the_notebook_finds_rows(market_home: Path) -> None:
    assert len(questions()) >= 5
    for sql in questions():
        assert query(market_home, sql)[1], sql


def test_the_script_header_names_every_package_that_is_imported() -> None:
    """`--sandbox` installs these and nothing else; marimo's SQL cells need polars and sqlglot beside."""
    header = "\n".join(line[2:] for line in TEXT.split("# ///")[1].splitlines()[1:])
    named = {re.split(r"[<>=]", package)[0] for package in tomllib.loads(header)["dependencies"]}
    imported = set(re.findall(r"^\s*import (\w+)", TEXT, re.M)) - {"os"}
    assert imported | {"polars", "sqlglot"} <= named


def test_the_page_gives_the_notebooks_own_command() -> None:
    [command] = re.findall(r"`(uvx marimo [^`]*)`", TEXT)
    assert command in Path("docs/data.md").read_text("utf-8")
