"""The command in two homes over one wallet: each says what the other paid and has, and what nobody sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import Command
from tests.payer.onchain import wait_until_final

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_second_home_is_told_what_the_first_one_bought(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    there = {"TOLLBOOK_HOME": str(tmp_path / "second")}
    paid = tollbook("run", "tm-grade", "--json").document["amount"]
    _doctor_says(tollbook, there, "not counted yet; the next run that pays counts first")
    ran = tollbook("run", "tm-grade", **there)
    assert ran.code == 5
    assert "bought by another home of this wallet" in ran.out
    assert len(world.transfers(buyer.address)) == 1
    [lost] = tollbook("status", "--json", **there).document["undelivered"]
    assert (lost["bought_elsewhere"], "Whoever did has the body" in lost["why"]) == (True, True)
    assert "accept-loss" in tollbook("status", **there).out
    recovered = tollbook("recover", "--json", **there)
    assert (recovered.code, recovered.document["purchases"][0]["why"]) == (5, lost["why"])
    assert "are bought by" not in recovered.out
    assert "of the undelivered were bought by another home" in tollbook("plan", "tm-grade", **there).out

    bought = tollbook("run", "trading-signals", "--json", **there).document
    other, calls = bought["amount"], bought["calls_paid"]
    caps = {cap["cap"]: cap for cap in tollbook("status", "--json", **there).document["caps"]}
    assert caps["caps.USDC.per_day"]["elsewhere"] == "0", "booked here by now"
    tollbook("run", "grades", "--json")
    caps = {cap["cap"]: cap for cap in tollbook("status", "--json").document["caps"]}
    assert caps["caps.USDC.per_day"]["elsewhere"] == caps["caps.USDC.per_month"]["elsewhere"] == other != paid
    _doctor_says(tollbook, {}, f"{other} USDC today, {other} USDC this month")
    _doctor_says(tollbook, {}, "What another home has signed and is not settled yet is not seen by anyone")

    wait_until_final(world)
    books = tollbook("reconcile", "--json")
    [usdc] = [one for one in books.document["assets"] if one["asset"] == "USDC"]
    assert (books.code, usdc["ledger_atomic"] == usdc["chain_atomic"]) == (0, True)
    assert (usdc["foreign"]["transfers"], usdc["foreign"]["signed"], usdc["foreign"]["listed"]) == (calls, calls, [])
    told = tollbook("reconcile", "--list-foreign").out
    assert f"{other} USDC in {calls} transfer" in told
    assert len([line for line in told.splitlines() if line.startswith("  not this ledger's: ")]) == calls


def _doctor_says(tollbook: Command, home: dict[str, str], words: str) -> None:
    checks = {check["check"]: check for check in tollbook("doctor", "--json", **home).document["checks"]}
    assert checks["elsewhere"]["ok"]
    assert words in checks["elsewhere"]["detail"]
