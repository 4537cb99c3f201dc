"""Plain words: what docs/glossary.md retired stays retired, in code, tests and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT, source_files

RETIRED = {
    r"anew": "again, rebuild",
    r"mend(s|ed|ing)?": "repair",
    r"heal(s|ed|ing)?": "repair",
    r"(bring|brings|bringing) in": "load",
    r"person's word": "operator approval",
    r"atoms": "atomic units, amount_atomic",
    r"unspoken": "SecretStr",
}
"""Each with what is written instead. The ledger's stored documents may hold what was named before."""
HERE = Path(__file__)
PAGES = [
    *source_files(),
    *sorted(path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py") if path != HERE),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "policy.toml")),
]
RIDDLE = re.compile(r"(Who|What|Whether|How|Which|Where|Why|When)\b")


def lines_with(pattern: str) -> Iterator[str]:
    word = re.compile(rf"(?<![a-z]){pattern}(?![a-z])", re.IGNORECASE)
    stored = re.compile(
        r'"atoms"|\.c\.atoms\b|\batoms FROM committed|SET atoms = :atoms'
    )  # a column of every ledger that exists
    for path in PAGES:
        text = path.read_text()
        for number, line in enumerate(text.splitlines() if word.search(text) else (), 1):
            if word.search(stored.sub("", line)):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


@pytest.mark.parametrize("pattern", RETIRED)
def test_a_retired_word_stays_retired(pattern: str) -> None:
    assert list(lines_with(pattern)) == [], f"write: {RETIRED[pattern]}"


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """The first line of every docstring of a file, with the name it explains."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "module"), text.splitlines()[0]


def test_a_docstring_opens_with_a_verb_or_a_noun_never_with_a_question() -> None:
    found = [
        f"{path.relative_to(ROOT)} {name}: {first}"
        for path in source_files()
        for name, first in docstrings(path)
        if RIDDLE.match(first)
    ]
    assert found == []


def test_no_docstring_of_a_test_a_bench_or_a_value_opens_with_a_question() -> None:
    opening = re.compile(r'^[ \t]*"""(?:Who|What|Whether|How|Which)\b.*', re.MULTILINE)
    found = {str(path.relative_to(ROOT)): opening.findall(path.read_text()) for path in PAGES if path.suffix == ".py"}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_every_module_says_what_it_holds() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in source_files() if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
