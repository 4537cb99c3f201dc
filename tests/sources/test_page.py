"""docs/sources.md, followed to the letter: its seller is added, listed, planned, bought from and parsed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from bench.planner_scenarios import scenarios
from payer.policy.file import SELLER_KEYS
from sources.docs_table import tables
from sources.planner.limits import calls_of
from sources.planner.rectangles import covering_blocks
from tests.paths import DOCS, PACKAGES, ROOT

PAGE = DOCS / "sources.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def block(language: str, number: int = 0) -> str:
    return [text for name, text in BLOCKS if name == language][number]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the page's seller added as the page says."""
    folder = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sources" / "sellers" / "tidewatch.py").write_text(block("python", 0))
    patch(folder / "sources" / "registry.py", block("diff"))
    return folder


def patch(file: Path, diff: str) -> None:
    """Apply lines of a diff: each added line follows the line before it, or replaces the removed one before it."""
    lines = diff.splitlines()
    text = file.read_text()
    for before, after in pairwise(lines):
        if after.startswith("+"):
            assert text.count(f"{before[1:]}\n") == 1, f"no such line, or several: {before}"
            kept = "" if before.startswith("-") else f"{before[1:]}\n"
            text = text.replace(f"{before[1:]}\n", f"{kept}{after[1:]}\n")
    file.write_text(text)


def python(tree: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script against the copy that has the page's seller."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_adds_a_seller_that_plans_and_reads_as_shown(tree: Path) -> None:
    done = python(tree, f"SAMPLE = {block('json').encode()!r}\n" + block("python", 1))
    assert done.stderr == ""
    assert done.stdout == block("text")


WORLD = """
import contextlib, io, json, os, sys
from pathlib import Path
from tollbook.cli.main import run
from sandbox.world import World
from warehouse.query import query

home, watch, *lines = sys.argv[1:]
with World(home) as world:
    os.environ.update(world.env)
    policy = Path(world.env["TOLLBOOK_POLICY"])
    assert "[sellers.tidewatch]" in policy.read_text()
    policy.write_text(policy.read_text().replace("watch = {}", watch))
    said = []
    for line in lines:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = run([*json.loads(line), "--json"])
        said.append((code, json.loads(out.getvalue())))
    columns = "station, date, typeof(high_water)"
    rows = [list(map(str, row)) for row in query(home, f"SELECT {columns} FROM tide_levels ORDER BY ALL")[1]]
    print(json.dumps({"said": said, "rows": rows, "paid": [int(one["value"]) for one in world.transfers()]}))
"""
"""A world and its buyer in one process: `tollbook sandbox`, the exports, and each of the page's lines after them."""


def test_the_pages_seller_is_bought_from_in_the_paid_world_as_written(tree: Path, tmp_path: Path) -> None:
    """I1, I5: plan, run and backfill over HTTP and payment into its table; the same again pays nothing."""
    sandbox, exports, *lines = (shlex.split(line.removesuffix("&")) for line in block("sh").splitlines())
    assert sandbox[:2] == ["tollbook", "sandbox"]
    assert exports == [".", f"{sandbox[3]}/sandbox.env"]
    assert {line[0] for line in lines} == {"tollbook"}
    watch = block("toml").splitlines()[-1]
    done = python(tree, WORLD, str(tmp_path), watch, *(json.dumps(line[1:]) for line in lines))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    codes, (plan, ran, filled, again) = zip(*found["said"], strict=True)
    assert set(codes) == {0}
    assert [request["params"]["stations"] for request in plan["flows"][0]["requests"]] == ["CUX,HAM"]
    assert (plan["calls"], plan["amount"]) == (ran["calls_paid"], ran["amount"]) == (1, "0.01")
    assert (filled["calls_paid"], filled["rows_new"]) == (1, 40)
    assert (again["calls_paid"], again["amount"], again["calls_avoided"]) == (0, "0", 1)
    assert found["paid"] == [10_000, 10_000]
    assert len(found["rows"]) == 42
    assert found["rows"][0] == ["CUX", "2026-09-01", "DOUBLE"]


def test_the_seller_of_the_page_takes_about_thirty_lines() -> None:
    assert len(block("python", 0).splitlines()) <= 40


def test_the_policy_of_the_page_is_toml_of_the_usual_keys() -> None:
    keys = {"base_url", "pay_with", "pay_to", "watch"}
    assert set(tomllib.loads(block("toml"))["sellers"]["tidewatch"]) == keys <= set(SELLER_KEYS)


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
