"""docs/sources.md is followed to the letter: its seller is added, listed, planned and read."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tollbook
from bench.planner_scenarios import scenarios
from payer.policy.file import SELLER_KEYS
from sources.catalogue import tables
from sources.planner.limits import calls_of
from sources.planner.rectangles import cover
from tests.paths import DOCS

PAGE = DOCS / "sources.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def block(language: str, number: int = 0) -> str:
    return [text for name, text in BLOCKS if name == language][number]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of tollbook with the page's seller added as the page says."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(Path(tollbook.__file__).parent, folder / "tollbook", ignore=shutil.ignore_patterns("__pycache__"))
    sources = folder / "tollbook" / "sources"
    (sources / "tidewatch.py").write_text(block("python", 0))
    an_import, an_entry = (line.removeprefix("+") for line in block("diff").splitlines())
    registry = (sources / "registry.py").read_text()
    registry = registry.replace("\nfrom sources", f"\n{an_import}\nfrom sources", 1)
    registry = registry.replace("    tavily.SELLER,\n", f"    tavily.SELLER,\n{an_entry}\n", 1)
    (sources / "registry.py").write_text(registry)
    return folder


def python(package: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script that sees the package with the page's seller."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_adds_a_seller_that_plans_and_reads_as_shown(package: Path) -> None:
    done = python(package, f"SAMPLE = {block('json').encode()!r}\n" + block("python", 1))
    assert done.stderr == ""
    assert done.stdout == block("text")


WORLD = """
import contextlib, io, json, os, sys
from pathlib import Path
from tollbook.cli.main import run
from sandbox.world import World
from warehouse.publish.query import query

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


def test_the_pages_seller_is_bought_from_in_the_paid_world_as_written(package: Path, tmp_path: Path) -> None:
    """I1, I5: plan, run and backfill over HTTP and payment into its table; the same again pays nothing."""
    sandbox, exports, *lines = (shlex.split(line.removesuffix("&")) for line in block("sh").splitlines())
    assert sandbox[:2] == ["tollbook", "sandbox"]
    assert exports == [".", f"{sandbox[3]}/sandbox.env"]
    assert {line[0] for line in lines} == {"tollbook"}
    watch = block("toml").splitlines()[-1]
    done = python(package, WORLD, str(tmp_path), watch, *(json.dumps(line[1:]) for line in lines))
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
    assert between[1].strip() == tables(), "python -m sources.catalogue, between the two marks"


def test_calls_in_the_measured_table_are_those_the_planner_makes() -> None:
    shown = dict(re.findall(r"^\| ([^|]+) \| (\d+) calls \|", TEXT, re.MULTILINE))
    assert list(shown) == [scenario.name for scenario in scenarios()]
    for scenario in scenarios():
        if scenario.missing.size < 20_000:
            blocks = cover(scenario.missing, scenario.limits)
            assert int(shown[scenario.name]) == sum(calls_of(scenario.limits, block) for block in blocks), scenario.name
