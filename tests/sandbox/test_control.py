"""The world's controls over HTTP, and the calls that tests make in its process."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.world import Buyer, World
from tests.sandbox.manual_buyer import ManualBuyer, client


def post(world: World, where: str, /, **body: Any) -> Any:
    answer = client().post(world.control_url + where, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(world: World, path: str) -> Any:
    return client().get(world.control_url + path).json()


def test_faults_are_switched_on_listed_and_cleared(world: World) -> None:
    added = post(world, "/faults", name="status_before", status=418, path="*/tokens", leg="any")
    assert client().get(f"{world.seller_url}/tokens").status_code == 418
    assert get(world, "/faults") == [added | {"times": 0, "fired": 1}]
    post(world, "/faults/clear")
    assert get(world, "/faults") == []
    assert get(world, "/catalogue")["reset_after"]["leg"] == "paid"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/faults", {"name": "nonsense"}, 400),
        ("/settings", {"colour": "blue"}, 400),
        ("/clock", {"advance": -5}, 400),
        ("/clock", {"set": "2020-01-01T00:00:00Z"}, 400),
        ("/nowhere", {}, 404),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(world: World, path: str, body: Any, status: int) -> None:
    answer = client().post(world.control_url + path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_settings_state_and_visits_are_readable(world: World, buyer: Buyer) -> None:
    assert post(world, "/settings", x402_version=1)["x402_version"] == 1
    ManualBuyer(world, buyer).send(ManualBuyer(world, buyer).sign())
    state = get(world, "/state")
    assert state["settings"]["x402_version"] == 1
    assert state["asset"] == world.asset
    legs = [visit["leg"] for visit in get(world, "/visits")]
    assert legs == ["unpaid", "paid"]
    post(world, "/reset")
    assert get(world, "/state")["settings"]["x402_version"] == 2


def test_the_clock_moves_for_market_chain_and_policy_alike(own_world: World) -> None:
    before = own_world.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"]
    moved = post(own_world, "/clock", advance=86_400)
    assert moved["offset"] == own_world.clock.offset == 86_400
    assert int(own_world.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"], 16) >= int(before, 16) + 86_390
    today = own_world.clock.now().date().isoformat()
    rows = own_world.market.answer("trading-signals", [("token_id", "3375")])["data"]
    assert rows[0]["DATE"].startswith(today)
    assert "TOLLBOOK_CLOCK_OFFSET=86400.0" in (own_world.home / "sandbox.env").read_text()


def test_a_stranger_can_settle_what_he_saw_and_the_payer_can_cancel(world: World, buyer: Buyer) -> None:
    hand = ManualBuyer(world, buyer)
    seen, taken_back = hand.sign(), hand.sign()
    post(world, "/submit", authorization=seen.authorization, signature=seen.signature)
    assert len(hand.transfers()) == 1
    post(world, "/cancel", nonce=taken_back.authorization["nonce"], private_key=buyer.private_key)
    assert [hand.send(one).status_code for one in (seen, taken_back)] == [402, 402]
    assert len(hand.transfers()) == 1
    assert world.token.used(buyer.address, taken_back.authorization["nonce"])


def test_market_changes_come_over_the_control_too(world: World) -> None:
    post(world, "/market/drift", endpoint="tokens", add={"EXTRA": True})
    rows = client().get(f"{world.seller_url}/tokens", headers={"x-coinbase-402": "true"}).json()["data"]
    assert rows[0]["EXTRA"] is True


def test_the_same_name_is_the_same_buyer_with_the_same_funds(world: World) -> None:
    first, second = world.buyer("twin"), world.buyer("twin")
    assert first == second
    assert world.balance(first.address) == 1000 * 10**6
    assert post(world, "/buyer", name="twin")["env"] == dict(first.env)
