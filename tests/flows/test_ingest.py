"""The one ingestion body, run as plain functions: from a prompt it needs no Prefect."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.ingest import ingest
from payer.values.purchase import Purchase
from tasks.buy.bill import Bill
from tasks.buy.outcome import Outcome
from tasks.buy.watch import Watch
from tasks.request.build import request_fresh
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from tests.cli.process import COMMAND
from tests.paths import ROOT

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

BODY = ROOT / "flows" / "ingest.py"


class Seen(Watch):
    """Keeps what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def bill(self, bill: Bill) -> None:
        self.told.append("bill")

    def buying(self, calls: int, amount_atomic: int) -> None:
        self.told.append(f"buying {calls}")

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        self.told.append("bought")


def run(buyer: Buyer, name: str, watch: Watch | None = None) -> Outcome:
    async def inside() -> Outcome:
        async with Workspace.open(buyer.env) as ws:
            request = request_fresh(ws, name, reason="test", at=ws.clock.now())
            return await ingest(ws, request, new_run(request.flow, "test", ws.clock.now()), watch=watch or Watch())

    return asyncio.run(inside())


def test_the_body_reads_from_top_to_bottom_on_one_screen() -> None:
    assert len(BODY.read_text().splitlines()) <= 60


def test_the_bill_comes_before_the_first_payment(world: World, buyer: Buyer) -> None:
    seen = Seen()
    done = run(buyer, "grades", seen)
    assert seen.told == ["bill", "buying 3", "bought", "bought", "bought"]
    assert done.amount_atomic == sum(int(transfer["value"]) for transfer in world.transfers(buyer.address))


def test_a_listing_is_bought_page_by_page_until_it_is_complete(world: World, buyer: Buyer) -> None:
    done = run(buyer, "moonshot-tokens-past")
    assert done.calls_paid > 1
    assert len(world.transfers(buyer.address)) == done.calls_paid
    assert run(buyer, "moonshot-tokens-past").calls_paid == 0


def test_a_piece_that_the_seller_has_not_costs_nothing_and_the_run_says_so(
    world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """A 404 settles nothing: in doubt until the proof, which is the next run's first step; never silently again."""
    world.settings.update(empty="404")
    policy = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    nobody = tmp_path / "policy.toml"
    nobody.write_text(re.sub(r"(?m)^tokens = .*$", "tokens = [999999]", policy))
    buyer.env["TOLLBOOK_POLICY"] = str(nobody)
    done = run(buyer, "tm-grade")
    [problem] = done.problems
    assert (done.exit_code, done.open, done.calls_paid) == (4, 1, 0)
    assert "the seller's last answer: status 404" in problem.what
    assert [visit.leg for visit in world.seller.visits].count("paid") == 1
    assert world.transfers(buyer.address) == []


def test_two_processes_running_the_same_flow_at_once_pay_once(world: World, buyer: Buyer) -> None:
    """I1."""
    command = [*COMMAND, "run", "grades", "--json"]
    env = {**os.environ, **buyer.env}
    children = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [child.communicate(timeout=200)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert len(world.transfers(buyer.address)) == 3


def test_a_lost_state_never_leads_to_a_second_transfer(world: World, buyer: Buyer) -> None:
    """I1: the same pieces have the same nonces, and the chain has seen them; with `published/` they would be held."""
    run(buyer, "tm-grade")
    shutil.rmtree(buyer.home / "state")
    shutil.rmtree(buyer.home / "published")
    again = run(buyer, "tm-grade")
    assert len(world.transfers(buyer.address)) == 1
    assert (again.calls_paid, again.amount_atomic, again.found_on_chain) == (0, 0, 1)


@pytest.mark.parametrize("fault", ["garbage_body", "failed_envelope", "html_body"])
def test_a_malformed_answer_is_kept_and_not_bought_again(world: World, buyer: Buyer, fault: str) -> None:
    """I4: a body that nobody can read stays in the ledger; asking again for the same edition pays nothing."""
    world.faults.add(fault, times=1)
    run(buyer, "tm-grade")
    run(buyer, "tm-grade")
    assert len(world.transfers(buyer.address)) == 1
