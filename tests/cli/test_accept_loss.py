"""`tollbook accept-loss`, and exit codes 4 (in doubt) and 5 (undelivered)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import Command, Said
from tests.cli.test_bad_input import policy_with
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def accepted(tollbook: Command, world: World, purchase: str, *options: str) -> Said:
    """Accept the loss once no reorg can take the payment back. Each recovery comes later than the one before holds the
    purchase."""
    said: list[Said] = []

    def taken() -> bool:
        tollbook("recover", TOLLBOOK_CLOCK_OFFSET=str(140 * (len(said) + 1)))
        said.append(tollbook("accept-loss", purchase, *options))
        return said[-1].code == 0

    world.wait_until("the payment is final", taken)
    return said[-1]


PAST = ("--from", "2024-01-01", "--to", "2024-01-29", "--tokens", "3375", "--yes", "--json")


def test_doubt_exits_4_from_run_and_from_recover_until_it_is_resolved(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """I9: a seller that only answers 402 proves nothing; once it sells, the same authorization pays once (I1).

    Commands of one process hold a purchase for 130 s against each other, so each comes later than that.
    """
    lasting = "[payment]\nvalidity_seconds = 300\n\n[assets.USDC]"
    tollbook.env["TOLLBOOK_POLICY"] = policy_with(buyer, tmp_path, "[assets.USDC]", lasting)
    world.faults.add("again_402_before", times=None)
    run = tollbook("run", "tm-grade", "--json")
    assert (run.code, run.document["open"], run.document["amount"]) == (4, 1, "0")
    assert run.document["flows"][0]["in_doubt"] == "0.017"
    recover = tollbook("recover", TOLLBOOK_CLOCK_OFFSET="135")
    assert recover.code == 4
    assert "Still in doubt" in recover.out
    world.faults.clear()
    done = tollbook("recover", "--json", TOLLBOOK_CLOCK_OFFSET="270")
    assert (done.code, done.document["delivered"]) == (0, 1)
    assert len(world.transfers(buyer.address)) == 1


def test_a_paid_call_without_its_data_exits_5_and_is_bought_again_with_operator_approval(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I2, I5."""
    world.faults.add("again_402_after", times=1)
    run = tollbook("run", "tm-grade", "--json")
    assert (run.code, run.document["undelivered"], run.document["amount"]) == (5, 1, "0.017")
    assert tollbook("run", "tm-grade", "--json").code == 5
    recover = tollbook("recover", "--json")
    [lost] = recover.document["purchases"]
    assert (recover.code, lost["why"]) == (5, "paid and never delivered")
    said = accepted(tollbook, world, lost["purchase_id"])
    assert "the loss of 0.017 USDC is accepted" in said.out
    again = tollbook("run", "tm-grade", "--json")
    assert (again.code, again.document["calls_paid"], again.document["amount"]) == (0, 1, "0.017")
    assert len(world.transfers(buyer.address)) == 2
    spent = [row["amount"] for row in tollbook("costs", "--by", "purchase", "--json").document]
    assert spent == ["0.017", "0.017"]


def test_a_failed_body_is_named_exits_5_and_is_asked_for_again_with_operator_approval(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I4: a closed window that the seller answered with "failed" is a hole nobody would look into again."""
    world.faults.add("failed_envelope", times=1)
    first = tollbook("backfill", "trading-signals", *PAST)
    [flow] = first.document["flows"]
    [failed] = flow["failed_bodies"]
    assert (first.code, first.document["calls_paid"], first.document["rows_new"]) == (5, 1, 0)
    assert (failed["dataset"], failed["what"]) == ("trading-signals", "injected")
    silent = tollbook("backfill", "trading-signals", *PAST)
    assert (silent.code, silent.document["calls_paid"]) == (0, 0)
    assert accepted(tollbook, world, failed["purchase_id"], "--json").document["accepted"] is True
    again = tollbook("backfill", "trading-signals", *PAST)
    assert (again.code, again.document["calls_paid"], again.document["rows_new"]) == (0, 1, 29)
    assert len(world.transfers(buyer.address)) == 2
    tollbook("rebuild")
    assert query(buyer.home, "SELECT count(*) FROM signals")[1] == [(29,)]
    assert tollbook("backfill", "trading-signals", *PAST).document["calls_paid"] == 0
    [(kept,)] = query(buyer.home, f"SELECT raw FROM quarantined WHERE purchase_id = '{failed['purchase_id']}'")[1]
    assert "injected" in kept


def test_a_failed_body_is_told_to_a_person_with_what_to_do(tollbook: Command, world: World) -> None:
    world.faults.add("failed_envelope", times=1)
    said = tollbook("run", "tm-grade")
    assert said.code == 5
    assert "failed      tm-grade" in said.out
    assert "tollbook accept-loss" in said.out


def test_a_readable_delivery_can_not_be_accepted_as_lost(tollbook: Command) -> None:
    """I2."""
    tollbook("run", "tm-grade", "--json")
    [row] = tollbook("costs", "--by", "purchase", "--json").document
    said = tollbook("accept-loss", row["purchase_id"])
    assert said.code == 2
    assert "is not lost" in said.err
