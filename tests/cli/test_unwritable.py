"""Runs that can't write `published/`: they report what was bought, and what stands in the way."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import disks
from tests.cli.conftest import Command, Said
from tests.crash import child
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

IN_THE_WAY = r"/published/\S+: (the disk is read-only|this user may not write there)"


def obey(folder: Path, env: Mapping[str, str], commands: Sequence[str], said: Path) -> None:
    """`tollbook …` for each, in this process, for which the folder can't be written. What they said comes to `said`."""
    from tollbook.cli.main import run

    os.environ.update(env)
    disks.read_only(folder)
    told = []
    for command in commands:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = run(command.split())
        told.append((code, out.getvalue(), err.getvalue()))
    said.write_text(json.dumps(told))


@pytest.fixture
def unwritable(buyer: Buyer, tmp_path: Path) -> Callable[..., list[Said]]:
    """Commands of a funded buyer, while nothing can be written in `published/`."""
    published, said = buyer.home / "published", tmp_path / "said.json"
    published.mkdir(exist_ok=True)

    def obeyed(*commands: str) -> list[Said]:
        assert child.finish(child.begin(obey, published, buyer.env, commands, said)) == 0
        disks.allow(published)
        return [Said(*told) for told in json.loads(said.read_text())]

    return obeyed


def grades(buyer: Buyer) -> int:
    [(rows,)] = query(buyer.home, "SELECT count(*) FROM grades")[1]
    return int(rows)


def test_a_run_that_bought_and_can_not_publish_tells_what_it_bought_and_the_next_publishes_it(
    tollbook: Command, unwritable: Callable[..., list[Said]], world: World, buyer: Buyer
) -> None:
    """I1. Not exit 6, which promises that nothing was spent."""
    [said] = unwritable("run tm-grade trading-signals --json")
    assert (said.code, said.err) == (4, ""), said.out
    paid = len(world.transfers(buyer.address))
    assert (said.document["calls_paid"], said.document["published"], said.document["failed"]) == (paid, None, [])
    assert paid > 1
    [problem] = [problem for flow in said.document["flows"] for problem in flow["problems"]]
    assert (problem["kind"], bool(re.search(IN_THE_WAY, problem["what"]))) == ("DiskTrouble", True), problem
    repaired = tollbook("run", "tm-grade", "trading-signals", "--json")
    assert (repaired.code, repaired.document["calls_paid"]) == (0, 0), repaired.out
    assert grades(buyer) > 0
    assert len(world.transfers(buyer.address)) == paid


def test_a_run_with_nothing_to_buy_says_in_plain_words_what_can_not_be_written(
    tollbook: Command, unwritable: Callable[..., list[Said]], buyer: Buyer
) -> None:
    """I7: what was published last is there to be read, and `costs` reads it. `doctor` finds the folder, too."""
    assert tollbook("run", "tm-grade", "--json").code == 0
    shown = grades(buyer)
    (buyer.home / "state" / "cache.duckdb").unlink()
    said, bought, costs, doctor = unwritable("run tm-grade", "run trading-signals", "costs --json", "doctor --json")
    assert bought.code == 4
    assert said.code == 6
    first, *sentences = said.err.splitlines()
    assert re.fullmatch(rf"error: \S+{IN_THE_WAY}", first), said.err
    assert [line.split()[0] for line in sentences] == ["Money:", "Run", "What"]
    assert (costs.code, [row["amount"] for row in costs.document]) == (0, ["0.017"])
    assert "not brought up to date (the ledger has newer events" in costs.err
    assert re.search(r"this is what was published on 20\d\d-", costs.err)
    [disk] = [check for check in doctor.document["checks"] if check["check"] == "disk"]
    assert (disk["ok"], disk["detail"]) == (False, f"{buyer.home}/published can't be written")
    assert grades(buyer) == shown
