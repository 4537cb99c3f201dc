"""The tables of docs/sources.md are those that the declarations and the planner make."""

from __future__ import annotations

import re

from bench.planner_scenarios import scenarios
from sources.planner.rectangles import calls_of, covering_blocks
from tests.docs.generate import SOURCES, generated, sources

TEXT = SOURCES.read_text()


def test_the_table_of_everything_is_the_one_the_declarations_make() -> None:
    assert generated(TEXT, sources()) == TEXT, "run: python -m tests.docs.generate"


def test_calls_in_the_measured_table_are_those_the_planner_makes() -> None:
    shown = dict(re.findall(r"^\| ([^|]+) \| (\d+) calls \|", TEXT, re.MULTILINE))
    assert list(shown) == [scenario.name for scenario in scenarios()]
    for scenario in scenarios():
        if scenario.missing.size < 20_000:
            blocks = covering_blocks(scenario.missing, scenario.limits)
            assert int(shown[scenario.name]) == sum(calls_of(scenario.limits, block) for block in blocks), scenario.name
