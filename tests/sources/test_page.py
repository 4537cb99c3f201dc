"""docs/sources.md is followed to the letter: its seller is added, listed, planned and read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bench.planner_scenarios import scenarios

import tollbook
from tollbook.sources.catalogue import tables
from tollbook.sources.limits import calls_of
from tollbook.sources.rectangles import cover

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def block(language: str, number: int = 0) -> str:
    return [text for name, text in BLOCKS if name == language][number]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of sources with the page's seller added as the page says."""
    shutil.copytree(Path(tollbook.__file__).parent / "sources", tmp_path / "tollbook" / "sources")
    (tmp_path / "tollbook" / "__init__.py").touch()
    sources = tmp_path / "tollbook" / "sources"
    (sources / "tidewatch.py").write_text(block("python", 0))
    an_import, an_entry = (line.removeprefix("+") for line in block("diff").splitlines())
    registry = (sources / "registry.py").read_text()
    registry = registry.replace("\nfrom tollbook.sources", f"\n{an_import}\nfrom tollbook.sources", 1)
    registry = registry.replace("    tavily.SELLER,\n", f"    tavily.SELLER,\n{an_entry}\n", 1)
    (sources / "registry.py").write_text(registry)
    return tmp_path


def test_the_page_adds_a_seller_that_plans_and_reads_as_shown(package: Path) -> None:
    script = f"SAMPLE = {block('json').encode()!r}\n" + block("python", 1)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == block("text")


def test_the_seller_of_the_page_takes_about_thirty_lines() -> None:
    assert len(block("python", 0).splitlines()) <= 40


def test_the_policy_of_the_page_is_toml_of_the_usual_keys() -> None:
    assert set(tomllib.loads(block("toml"))["sellers"]["tidewatch"]) == {"base_url", "pay_with", "pay_to", "tokens"}


def test_the_table_of_everything_is_the_one_the_declarations_make() -> None:
    between = re.search(r"<!-- begin: .*? -->\n(.*)<!-- end -->", TEXT, re.DOTALL)
    assert between
    assert between[1].strip() == tables(), "python -m tollbook.sources.catalogue, between the two marks"


def test_calls_in_the_measured_table_are_those_the_planner_makes() -> None:
    shown = dict(re.findall(r"^\| ([^|]+) \| (\d+) calls \|", TEXT, re.MULTILINE))
    assert list(shown) == [scenario.name for scenario in scenarios()]
    for scenario in scenarios():
        if scenario.missing.size < 20_000:
            blocks = cover(scenario.missing, scenario.limits)
            assert int(shown[scenario.name]) == sum(calls_of(scenario.limits, block) for block in blocks), scenario.name
