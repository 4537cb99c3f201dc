"""`tollbook accept-loss` of several purchases: by their ids, of one seller, of all."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command, Said

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

BACKFILL = ("backfill", "trading-signals", "--tokens", "3375", "--yes", "--from", "2024-01-01")
ONE, THREE = (*BACKFILL, "--to", "2024-01-29"), (*BACKFILL, "--to", "2024-03-27")


def lose(tollbook: Command, world: World) -> list[str]:
    """Pay three calls of which none is delivered, and wait until their payments are final."""
    world.faults.add("again_402_after", times=3)
    lost = tollbook(*THREE, "--json")
    assert (lost.code, lost.document["undelivered"]) == (5, 3)
    world.faults.clear()
    return final(tollbook, world)


def final(tollbook: Command, world: World) -> list[str]:
    """Recover until no payment of a loss can be taken back any more; the ids of what is lost."""
    said: list[Said] = []

    def settled() -> bool:
        said.append(tollbook("recover", "--json", TOLLBOOK_CLOCK_OFFSET=str(100 * (len(said) + 1))))
        lost = [purchase["purchase_id"] for purchase in said[-1].document["purchases"]]
        tried = tollbook("accept-loss", *lost, "no-such-purchase")
        return "no purchase 'no-such-purchase'" in tried.err

    world.wait_until("the payments are final", settled)
    return [purchase["purchase_id"] for purchase in said[-1].document["purchases"]]


def test_losses_are_accepted_by_their_ids_all_or_none_then_of_a_seller(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    one, two, three = lose(tollbook, world)
    assert tollbook("status", "--json").code == 5
    assert tollbook("reconcile", "--json").code == 5
    report = tollbook("report")
    assert "lost: 0.051 USDC was paid for nothing" in report.out
    wrong = tollbook("accept-loss", one, "0123456789abcdef")
    assert (wrong.code, "no loss was accepted" in wrong.err) == (2, True)
    accepted = tollbook("accept-loss", one, two, one, "--json")
    assert accepted.code == 0
    assert [each["purchase_id"] for each in accepted.document["purchases"]] == [one, two]
    assert accepted.document["purchase"]["purchase_id"] == one
    assert tollbook("accept-loss", "--seller", "nobody").code == 2
    rest = tollbook("accept-loss", "--seller", "tokenmetrics", "--json")
    assert [each["purchase_id"] for each in rest.document["purchases"]] == [three]
    none = tollbook("accept-loss", "--all", "--json")
    assert (none.code, none.document["accepted"], none.document["purchases"]) == (0, False, [])
    again = tollbook(*THREE, "--json")
    assert (again.code, again.document["calls_paid"]) == (0, 3)
    assert tollbook("status", "--json").code == 0
    assert len(world.transfers(buyer.address)) == 6


class Terminal(io.StringIO):
    """A person who types this."""

    def isatty(self) -> bool:
        return True


def test_all_covers_failed_and_undelivered_alike_shows_what_was_paid_and_asks_a_person(
    tollbook: Command, world: World, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I12, I2."""
    world.faults.add("failed_envelope", times=1)
    assert tollbook("run", "tm-grade", "--tokens", "3375", "--json").code == 5
    world.faults.add("again_402_after", times=1)
    assert tollbook(*ONE, "--json").code == 5
    world.faults.clear()
    lost = final(tollbook, world)
    assert len(lost) == 2
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    declined = tollbook("accept-loss", "--all")
    assert (declined.code, "nothing was booked" in declined.err) == (3, True)
    shown, _, asked = declined.out.partition("Accept these losses?")
    assert asked
    assert all(words in shown for words in (*lost, "undelivered", "failed delivery", "0.034 USDC"))
    accepted = tollbook("accept-loss", "--all", "--yes", "--json")
    assert (accepted.code, accepted.document["lost"]) == (0, {"USDC": "0.034"})
    assert sorted(each["purchase_id"] for each in accepted.document["purchases"]) == sorted(lost)
    again = tollbook("run", "tm-grade", "--tokens", "3375", "--json")
    assert (again.code, again.document["calls_paid"]) == (0, 1)
    assert len(world.transfers(buyer.address)) == 3


@pytest.mark.parametrize("arguments", [(), ("an-id", "--all"), ("--seller", "tokenmetrics", "--all")])
def test_it_says_which_ones_it_needs(tollbook: Command, arguments: tuple[str, ...]) -> None:
    said = tollbook("accept-loss", *arguments)
    assert (said.code, "--seller" in said.err) == (2, True)


def test_all_skips_what_is_not_final_yet_and_says_so(tollbook: Command, world: World) -> None:
    world.faults.add("again_402_after", times=1)
    assert tollbook(*THREE, "--json").code == 5
    said = tollbook("accept-loss", "--all", "--json")
    done, skipped = said.document["purchases"], said.document["skipped"]
    assert len(done) + len(skipped) == 1
    assert said.code == (4 if skipped else 0)
    assert all("reorg" in each["why"] for each in skipped)
