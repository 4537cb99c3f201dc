"""docs/sources.md, followed to the letter: from a seller's 402 to a bill, and in a paid world to typed tables."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from payer.policy.file import SELLER_KEYS
from sources.declaration.read import parse_declaration
from sources.declaration.table import DeclarationFault
from tests.paths import DOCS, ROOT

TEXT = (DOCS / "sources.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
HOST = "https://api.tidewatch.example"

WORLD = """
import contextlib, io, json, os, sys
from pathlib import Path
from tollbook.cli.main import run
from sandbox.world import World
from warehouse.query import query

home, policy_lines, *lines = sys.argv[1:]
with World(home, declarations={"tidewatch": Path("sellers/tidewatch.toml").absolute()}) as world:
    os.environ.update(world.env)
    base = f"{world.seller_base}/tidewatch"
    written = Path(world.env["TOLLBOOK_POLICY"]).read_text()
    assert "[sellers.tidewatch]" in written
    said = []

    def say(line):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = run([word.replace("https://api.tidewatch.example", base) for word in line] + ["--json"])
        said.append((code, json.loads(out.getvalue())))

    # Before the sandbox's own lines, the policy is the page's: it names the seller as the reader did.
    own = Path("policy.toml")
    own.write_text(written.partition("[sellers.")[0] + policy_lines.replace("https://api.tidewatch.example", base))
    os.environ["TOLLBOOK_POLICY"] = str(own.absolute())
    for line in map(json.loads, lines):
        if line[0] == "sandbox":
            assert not world.transfers(), "something was paid before the paid world"
            os.environ.update(world.env)
        else:
            say(line)
    say(json.loads(lines[-1]))
    columns = "station, date, typeof(high_water)"
    rows = [list(map(str, row)) for row in query(home, f"SELECT {columns} FROM tide_levels ORDER BY ALL")[1]]
    print(json.dumps({"said": said, "rows": rows, "paid": [int(one["value"]) for one in world.transfers()]}))
"""
"""A world in one process, which stands for the real seller first, and then is the page's sandbox."""


def block(language: str, number: int = 0) -> str:
    return [text for name, text in BLOCKS if name == language][number]


def lines() -> list[list[str]]:
    """The page's commands, without the one that reads the sandbox's variables."""
    found = [shlex.split(line.removesuffix("&")) for name, text in BLOCKS if name == "sh" for line in text.splitlines()]
    assert {line[0] for line in found} == {"tollbook", "."}
    return [line[1:] for line in found if line[0] == "tollbook"]


def followed(folder: Path) -> dict[str, Any]:
    """Follow the page in a folder of its own."""
    (folder / "sellers").mkdir()
    (folder / "sellers" / "tidewatch.toml").write_text(block("toml", 1))
    (folder / "levels.json").write_text(block("json"))
    arguments = [str(folder / "world"), block("toml", 0), *map(json.dumps, lines())]
    done = subprocess.run(
        [sys.executable, "-c", WORLD, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_page_leads_from_a_402_to_typed_tables_and_a_bill_without_a_cent(tmp_path: Path) -> None:
    """I1, I5: probes, sample and plan pay nothing; then run and backfill pay once, and the same again nothing."""
    found = followed(tmp_path)
    codes, (terms, sample, judged, plan, ran, filled, again) = zip(*found["said"], strict=True)
    assert set(codes) == {0}, found["said"]
    assert (terms["price"], terms["status"], terms["ok"]) == ("0.01", 402, True)
    assert tomllib.loads(terms["policy"])["sellers"]["tidewatch"]["pay_to"] == [terms["pay_to"]]
    assert "[datasets.tidewatch-data]" in terms["declaration"]
    assert [(row["station"], row["date"], row["high_water"]) for row in sample["rows"]] == [
        ("HAM", "2026-11-02", 3.91),
        ("HAM", "2026-11-01", 4.02),
    ]
    assert [(one["dataset"], one["ok"]) for one in judged["endpoints"]] == [("tidewatch-levels", True)]
    assert [request["params"]["stations"] for request in plan["flows"][0]["requests"]] == ["CUX,HAM"]
    assert (plan["calls"], plan["amount"]) == (ran["calls_paid"], ran["amount"]) == (1, "0.01")
    assert (filled["calls_paid"], filled["rows_new"]) == (1, 40)
    assert (again["calls_paid"], again["amount"], again["calls_avoided"]) == (0, "0", 1)
    assert found["paid"] == [10_000, 10_000]
    assert len(found["rows"]) == 42
    assert found["rows"][0] == ["CUX", "2026-09-01", "DOUBLE"]


def test_the_policy_of_the_page_is_toml_of_the_usual_keys() -> None:
    assert set(tomllib.loads(block("toml"))["sellers"]["tidewatch"]) <= set(SELLER_KEYS)


def test_a_declaration_takes_about_thirty_lines() -> None:
    assert len(block("toml", 1).splitlines()) <= 40


def test_the_fault_that_the_page_shows_is_the_one_that_is_found() -> None:
    with pytest.raises(DeclarationFault) as found:
        parse_declaration(block("toml", 1).replace('"series"', '"serie"'), "tidewatch")
    fault = found.value
    assert f"sellers/tidewatch.toml, line {fault.line}: {fault.what}; {fault.fix}\n" == block("text")
