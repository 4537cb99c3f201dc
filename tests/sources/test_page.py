"""The tables of docs/sources.md are those that the declarations and the planner make."""

from __future__ import annotations

import re

from bench.planner_scenarios import scenarios
from sources.docs_table import tables
from sources.planner.limits import calls_of
from sources.planner.rectangles import covering_blocks
from tests.paths import DOCS

PAGE = DOCS / "sources.md"
TEXT = PAGE.read_text()


def test_the_table_of_everything_is_the_one_the_declarations_make() -> None:
    between = re.search(r"<!-- begin: .*? -->\n(.*)<!-- end -->", TEXT, re.DOTALL)
    assert between
    assert between[1].strip() == tables(), "python -m sources.docs_table, between the two marks"


def test_calls_in_the_measured_table_are_those_the_planner_makes() -> None:
    shown = dict(re.findall(r"^\| ([^|]+) \| (\d+) calls \|", TEXT, re.MULTILINE))
    assert list(shown) == [scenario.name for scenario in scenarios()]
    for scenario in scenarios():
        if scenario.missing.size < 20_000:
            blocks = covering_blocks(scenario.missing, scenario.limits)
            assert int(shown[scenario.name]) == sum(calls_of(scenario.limits, block) for block in blocks), scenario.name
