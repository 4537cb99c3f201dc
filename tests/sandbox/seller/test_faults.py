"""Each fault does what its name says, and the chain shows how much money moved."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandbox.faults import CATALOGUE, Faults, UnknownFault
from sandbox.world import Buyer, World
from tests.sandbox.manual_buyer import ManualBuyer, receipt_of, resource_of, terms_of

PAID, UNPAID = 1, 0


@pytest.fixture
def hand(world: World, buyer: Buyer) -> ManualBuyer:
    return ManualBuyer(world, buyer)


# -- no answer at all -----------------------------------------------------------------------------------

SILENT = [
    ("reset_before", {}, UNPAID),
    ("hang_before", {"seconds": 0.3}, UNPAID),
    ("reset_after", {}, PAID),
    ("hang_after", {"seconds": 0.3}, PAID),
    ("truncated", {}, PAID),
]


@pytest.mark.parametrize(("name", "params", "moved"), SILENT, ids=[row[0] for row in SILENT])
def test_a_lost_answer_raises_at_the_buyer_and_the_chain_says_whether_it_paid(
    hand: ManualBuyer, name: str, params: dict[str, Any], moved: int
) -> None:
    signed = hand.sign()
    fault = hand.world.faults.add(name, **params)
    with pytest.raises(httpx.TransportError):
        hand.send(signed)
    assert fault.fired == 1
    assert len(hand.transfers()) == moved


# -- an answer that says too little, or lies --------------------------------------------------------------

Check = Callable[[httpx.Response], bool]
ANSWERED: list[tuple[str, dict[str, Any], int, int, Check]] = [
    ("status_before", {"status": 503}, 503, UNPAID, lambda a: receipt_of(a) is None),
    ("again_402_before", {}, 402, UNPAID, lambda a: terms_of(a)["amount"] == "17000"),
    ("new_terms_402_before", {}, 402, UNPAID, lambda a: terms_of(a)["amount"] == "34000"),
    ("endless_402", {}, 402, UNPAID, lambda a: terms_of(a)["amount"] == "17000"),
    ("forged_receipt", {}, 200, UNPAID, lambda a: bool(receipt_of(a) and receipt_of(a)["success"])),  # type: ignore[index]
    ("rate_before", {"retry_after": 7}, 429, UNPAID, lambda a: a.headers["retry-after"] == "7"),
    ("redirect_before", {}, 307, UNPAID, lambda a: a.headers["location"].startswith("http://127.0.0.1:9")),
    ("status_after", {"status": 503}, 503, PAID, lambda a: receipt_of(a)["success"]),  # type: ignore[index]
    ("status_after_bare", {}, 500, PAID, lambda a: receipt_of(a) is None),
    ("again_402_after", {}, 402, PAID, lambda a: terms_of(a)["amount"] == "17000" and receipt_of(a) is None),
    ("new_terms_402_after", {"factor": 3}, 402, PAID, lambda a: terms_of(a)["amount"] == "51000"),
    ("failed_402_after", {}, 402, PAID, lambda a: receipt_of(a)["errorReason"] == "unexpected_settle_error"),  # type: ignore[index]
    ("pending_402_after", {}, 402, PAID, lambda a: receipt_of(a)["errorReason"] == "settlement_pending"),  # type: ignore[index]
    ("rate_after", {}, 429, PAID, lambda a: "retry-after" in a.headers),
    ("redirect_after", {}, 307, PAID, lambda a: "location" in a.headers),
    ("cut_body", {"share": 0.5}, 200, PAID, lambda a: a.text.startswith('{"') and not a.text.endswith("}")),
    ("unreadable_rows", {}, 200, PAID, lambda a: set(a.json()["data"][0].values()) == {"?"}),
    ("empty_body", {}, 200, PAID, lambda a: a.content == b""),
    ("no_rows", {}, 200, PAID, lambda a: a.json()["success"] and a.json()["data"] == []),
    ("html_body", {}, 200, PAID, lambda a: "html" in a.text),
    ("garbage_body", {}, 200, PAID, lambda a: b"\xff" in a.content),
    ("wrong_schema", {}, 200, PAID, lambda a: "TOKEN_ID" not in a.json()["data"][0]),
    ("failed_envelope", {}, 200, PAID, lambda a: a.json()["success"] is False),
    ("huge_body", {"megabytes": 1}, 200, PAID, lambda a: len(a.content) > 1 << 20),
    ("bomb_body", {"megabytes": 4}, 200, PAID, lambda a: int(a.headers["content-length"]) < 1 << 14 < len(a.content)),
    ("no_receipt", {}, 200, PAID, lambda a: receipt_of(a) is None and a.json()["success"]),
    ("broken_receipt", {"text": "not json"}, 200, PAID, lambda a: a.headers["payment-response"] == "not json"),
    ("drip", {"seconds": 0.001, "piece": 200}, 200, PAID, lambda a: a.json()["length"] == 3),
    ("slow", {"seconds": 0.3}, 200, PAID, lambda a: a.elapsed.total_seconds() > 0.3),
]


@pytest.mark.parametrize(("name", "params", "status", "moved", "check"), ANSWERED, ids=[row[0] for row in ANSWERED])
def test_a_spoiled_answer_comes_with_its_status_and_its_money(
    hand: ManualBuyer, name: str, params: dict[str, Any], status: int, moved: int, check: Check
) -> None:
    signed = hand.sign()
    hand.world.faults.add(name, **params)
    answer = hand.send(signed)
    assert answer.status_code == status
    assert len(hand.transfers()) == moved
    assert check(answer)


@pytest.mark.parametrize("name", [row[0] for row in ANSWERED[:6]])
def test_a_fault_fires_once_and_the_same_payment_is_then_taken(hand: ManualBuyer, name: str) -> None:
    signed = hand.sign()
    hand.world.faults.add(name)
    hand.send(signed)
    assert hand.transfers() == []
    assert hand.send(signed).status_code == 200
    assert len(hand.transfers()) == 1


# -- terms that are not what they should be -----------------------------------------------------------------

TERMS: list[tuple[str, dict[str, Any], Check]] = [
    ("swap_pay_to", {}, lambda a: terms_of(a)["payTo"].startswith("0x9965")),
    ("swap_asset", {}, lambda a: terms_of(a)["asset"].startswith("0x9965")),
    ("swap_network", {}, lambda a: terms_of(a)["network"] == "eip155:8453"),
    ("swap_price", {"factor": 10}, lambda a: "170000" in terms_of(a).values()),
    ("swap_name", {}, lambda a: terms_of(a)["extra"]["name"] == "USDC"),
    ("swap_resource", {"resource": "/v2/tokens"}, lambda a: resource_of(a).endswith("/v2/tokens")),
    ("offer_list", {"first": [{"network": "base"}]}, lambda a: terms_of(a)["network"] == "base"),
    ("edit_terms", {"merge": {"maxTimeoutSeconds": -1}}, lambda a: terms_of(a)["maxTimeoutSeconds"] == -1),
    ("huge_402", {"megabytes": 1}, lambda a: len(a.content) > 1 << 20),
    ("huge_header", {"kilobytes": 64}, lambda a: len(a.headers["x-padding"]) == 64 << 10),
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("name", "params", "check"), TERMS, ids=[row[0] for row in TERMS])
def test_changed_terms_reach_the_buyer_in_both_versions(
    hand: ManualBuyer, version: int, name: str, params: dict[str, Any], check: Check
) -> None:
    hand.url = f"{hand.world.seller_base}/x402v{version}/v2/tm-grade"
    hand.world.faults.add(name, **params)
    if name == "huge_header":
        with httpx.stream("GET", hand.url, headers={"x-coinbase-402": "true"}) as answer:
            assert check(answer)
        return
    assert check(hand.ask())
    assert terms_of(hand.ask())["payTo"] == hand.world.pay_to


def test_terms_can_stand_in_the_wrong_place_or_be_unreadable(hand: ManualBuyer) -> None:
    hand.world.faults.add("terms_misplaced")
    misplaced = hand.ask()
    assert "payment-required" not in misplaced.headers
    assert misplaced.json()["x402Version"] == 2
    hand.world.faults.add("broken_terms", text="%%%")
    assert hand.ask().headers["payment-required"] == "%%%"


# -- the facilitator --------------------------------------------------------------------------------------

FACILITATOR: list[tuple[str, dict[str, Any], int, int]] = [
    ("verify_500", {}, 402, UNPAID),
    ("verify_invalid", {}, 402, UNPAID),
    ("settle_500_before", {}, 402, UNPAID),
    ("settle_500_after", {}, 402, PAID),
    ("settle_reset_after", {}, 402, PAID),
    ("settle_pending_200", {}, 402, PAID),
    ("settle_pending_500", {}, 402, PAID),
    ("settle_denied_after", {}, 402, PAID),
    ("settle_phantom", {}, 200, UNPAID),
    ("settle_foreign_tx", {}, 200, UNPAID),
    ("settle_reverted_tx", {}, 200, UNPAID),
    ("settle_slow", {"seconds": 0.1}, 200, PAID),
    ("settle_front_run", {}, 402, PAID),
    ("relayer_broke", {}, 402, UNPAID),
    ("forget_pending", {}, 200, PAID),
]


@pytest.mark.parametrize(("name", "params", "status", "moved"), FACILITATOR, ids=[row[0] for row in FACILITATOR])
@pytest.mark.parametrize("version", [1, 2])
def test_a_facilitator_fault_reaches_the_buyer_as_sellers_pass_it_on(
    hand: ManualBuyer, version: int, name: str, params: dict[str, Any], status: int, moved: int
) -> None:
    hand.url = f"{hand.world.seller_base}/x402v{version}/v2/tm-grade"
    signed = hand.sign()
    fault = hand.world.faults.add(name, **params)
    assert hand.send(signed).status_code == status
    assert fault.fired == 1
    assert len(hand.transfers()) == moved


def test_a_claimed_transaction_is_on_chain_only_when_the_fault_says_so(hand: ManualBuyer) -> None:
    hand.world.faults.add("settle_reverted_tx")
    claimed = receipt_of(hand.send(hand.sign()))
    assert claimed is not None
    assert hand.world.rpc.call("eth_getTransactionReceipt", [claimed["transaction"]])["status"] == "0x0"


def test_a_settlement_that_outlasts_the_facilitator_is_pending_and_settles_later(own_world: World) -> None:
    own_world.settings.update(confirmation_timeout=0.1)
    hand = ManualBuyer(own_world, own_world.buyer("late"))
    signed = hand.sign()
    own_world.rpc.call("evm_setAutomine", [False])
    answer = hand.send(signed)
    assert answer.status_code == 402
    assert receipt_of(answer)["errorReason"] == "settlement_pending"  # type: ignore[index]
    assert hand.transfers() == []
    own_world.rpc.call("evm_setAutomine", [True])
    assert len(hand.transfers()) == 1


def test_a_dropped_transaction_leaves_the_authorization_usable(own_world: World) -> None:
    own_world.settings.update(confirmation_timeout=0.1)
    hand = ManualBuyer(own_world, own_world.buyer("dropped"))
    signed = hand.sign()
    own_world.rpc.call("evm_setAutomine", [False])
    assert hand.send(signed).status_code == 402
    own_world.rpc.call("sandbox_dropTransaction", [])
    own_world.rpc.call("evm_setAutomine", [True])
    own_world.facilitator.forget()
    assert hand.send(signed).status_code == 200
    assert len(hand.transfers()) == 1


# -- the list itself --------------------------------------------------------------------------------------


def test_every_fault_of_seller_and_facilitator_is_played_above() -> None:
    played = {row[0] for row in (*SILENT, *ANSWERED, *TERMS, *FACILITATOR)}
    elsewhere = {"terms_misplaced", "broken_terms", "settle_timeout_after"}
    listed = {name for name, kind in CATALOGUE.items() if kind.level != "rpc"}
    assert listed == played | elsewhere


def test_a_facilitator_that_answers_late_lets_the_seller_give_up_after_the_money_moved(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with World(tmp_path_factory.mktemp("impatient"), facilitator_timeout=0.5) as world:
        hand = ManualBuyer(world, world.buyer("late"))
        signed = hand.sign()
        world.faults.add("settle_timeout_after", seconds=5.0)
        started = time.monotonic()
        assert hand.send(signed).status_code == 402
        assert time.monotonic() - started < 5.0, "the seller waited for the facilitator's answer"
        assert len(hand.transfers()) == 1


def test_an_unknown_fault_or_parameter_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownFault, match="reset_after"):
        Faults().add("reset_afterwards")
    with pytest.raises(UnknownFault, match="seconds"):
        Faults().add("slow", minutes=1)


def test_a_fault_waits_for_its_path_leg_and_turn() -> None:
    faults = Faults()
    fault = faults.add("slow", times=2, path="/v2/tm-*", leg="paid", after=1)
    asked = [("/v2/tokens", "paid"), ("/v2/tm-grade", "unpaid"), *[("/v2/tm-grade", "paid")] * 4]
    assert [len(faults.take("seller", *one)) for one in asked] == [0, 0, 0, 1, 1, 0]
    assert fault.fired == 2


def test_chances_repeat_with_the_seed() -> None:
    def drawn(seed: int) -> list[int]:
        faults = Faults(seed)
        faults.add("slow", times=None, chance=0.5)
        return [len(faults.take("seller", "/")) for _ in range(40)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 5 < sum(drawn(1)) < 35
