"""Buying from the sandbox with the official SDK's client and by hand, in both x402 versions."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from eth_account import Account
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.evm.exact import register_exact_evm_client

from sandbox.world import Buyer, World
from tests.sandbox.manual_buyer import X402, ManualBuyer, client, receipt_of, terms_of


@asynccontextmanager
async def official(world: World, buyer: Buyer) -> AsyncIterator[httpx.AsyncClient]:
    """The SDK's own paying client, with the sandbox's token allowed."""
    paying = x402Client()
    register_exact_evm_client(paying, Account.from_key(buyer.private_key))
    paying.set_spend_controls({"allowed_assets": [{"network": "eip155:31337", "asset": world.asset["address"]}]})
    async with x402HttpxClient(paying, base_url=world.seller_base, headers=X402, timeout=20) as http:
        yield http


async def _bought(world: World, buyer: Buyer, tries: int = 1) -> list[int | str]:
    found: list[int | str] = []
    async with official(world, buyer) as http:
        for _ in range(tries):
            try:
                answer = await http.get("/v2/trading-signals", params={"token_id": "3375,3306", "limit": "5"})
                found.append(answer.status_code)
            except Exception as problem:  # noqa: BLE001 the SDK raises one class for whatever happened
                found.append(type(problem).__name__)
                continue
            break
    return found


@pytest.mark.parametrize("version", [2, 1])
def test_a_purchase_by_hand_settles_once_and_delivers(world: World, buyer: Buyer, version: int) -> None:
    hand = ManualBuyer(world, buyer, f"{world.seller_base}/x402v{version}/v2/trading-signals")
    answer = hand.send(hand.sign())
    receipt = receipt_of(answer)
    assert answer.json()["length"] == 3
    assert receipt is not None
    assert receipt["success"] is True
    assert [(t["value"], t["to"], t["tx_hash"]) for t in hand.transfers()] == [
        (17_000, world.pay_to, receipt["transaction"])
    ]


def test_the_official_client_buys_once_when_nothing_breaks(world: World, buyer: Buyer) -> None:
    assert asyncio.run(_bought(world, buyer)) == [200]
    assert len(world.transfers(buyer.address)) == 1


def test_the_official_client_pays_twice_for_one_item_when_an_answer_is_lost(world: World, buyer: Buyer) -> None:
    """The negative control of the payer's promise: one purchase, one ordinary retry, two payments."""
    world.faults.add("reset_after")
    outcome = asyncio.run(_bought(world, buyer, tries=2))
    assert outcome[-1] == 200
    assert len(world.transfers(buyer.address)) == 2
    paid = {visit.nonce for visit in world.seller.visits if visit.leg == "paid"}
    assert len(paid) == 2


def test_the_plain_path_speaks_the_version_that_the_settings_name(world: World) -> None:
    asked = f"{world.seller_url}/tm-grade"
    assert "payment-required" in client().get(asked, headers=X402).headers
    world.settings.update(x402_version=1)
    v1 = client().get(asked, headers=X402)
    assert "payment-required" not in v1.headers
    assert v1.json()["accepts"][0]["resource"] == asked
    assert v1.json()["accepts"][0]["network"] == "sandbox"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"x-coinbase-402": "false"}, 401), ({**X402, "x-api-key": "k"}, 400), (X402, 402)],
)
def test_the_seller_wants_its_header_and_no_key_beside_it(world: World, headers: dict[str, str], status: int) -> None:
    answer = client().get(f"{world.seller_url}/tm-grade", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["tokens", "price?token_id=3375", "top-market-cap-tokens"])
def test_free_endpoints_ask_for_nothing(world: World, path: str) -> None:
    answer = client().get(f"{world.seller_url}/{path}", headers=X402)
    assert answer.status_code == 200
    assert answer.json()["success"] is True


def test_a_bad_parameter_costs_nothing(world: World, buyer: Buyer) -> None:
    hand = ManualBuyer(world, buyer)
    hand.params = {"token_id": "3375", "limit": "101"}
    assert hand.send(hand.sign()).status_code == 422
    assert hand.transfers() == []


def test_too_many_requests_are_answered_429_with_the_time_to_wait(world: World) -> None:
    world.settings.update(rate=5.0, burst=3)
    asked = [client().get(f"{world.seller_url}/tokens", headers=X402) for _ in range(6)]
    statuses = [answer.status_code for answer in asked]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    refused = next(answer for answer in asked if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    world.settings.update(retry_after=False)
    while (answer := client().get(f"{world.seller_url}/tokens", headers=X402)).status_code != 429:
        pass
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("version", [1, 2])
def test_an_identical_resend_is_refused_or_served_as_the_settings_say(world: World, buyer: Buyer, version: int) -> None:
    hand = ManualBuyer(world, buyer, f"{world.seller_base}/x402v{version}/v2/trading-signals")
    refused = hand.sign()
    assert [hand.send(refused).status_code for _ in range(2)] == [200, 402]
    world.settings.update(resend="served")
    served = hand.sign()
    first, second = hand.send(served), hand.send(served)
    assert (first.status_code, second.content) == (200, first.content)
    assert len(hand.transfers()) == 2
    hand.params["limit"] = "4"
    assert hand.send(served).status_code == 402, "another request is not what was paid for"


def test_a_replay_is_named_by_its_reason(world: World, buyer: Buyer) -> None:
    hand = ManualBuyer(world, buyer)
    signed = hand.sign()
    hand.send(signed)
    again = hand.send(signed)
    terms = json.loads(base64.b64decode(again.headers["payment-required"]))
    assert terms["error"] == "invalid_exact_evm_nonce_already_used"


@pytest.mark.parametrize("version", [1, 2])
def test_the_longest_validity_is_the_settings(world: World, buyer: Buyer, version: int) -> None:
    hand = ManualBuyer(world, buyer, f"{world.seller_base}/x402v{version}/v2/tm-grade")
    assert hand.terms()["maxTimeoutSeconds"] == 300
    world.settings.update(max_timeout=60)
    assert hand.terms()["maxTimeoutSeconds"] == 60


@pytest.mark.parametrize(
    ("simulate", "reason"), [(True, "invalid_exact_evm_nonce_already_used"), (False, "transaction_failed")]
)
def test_a_second_settlement_is_broadcast_only_without_simulation(
    world: World, buyer: Buyer, simulate: bool, reason: str
) -> None:
    world.settings.update(simulate_in_settle=simulate)
    hand = ManualBuyer(world, buyer)
    terms = hand.terms()
    payload = json.loads(base64.b64decode(hand.sign(terms).header["payment-signature"]))
    asked = {"x402Version": 2, "paymentPayload": payload, "paymentRequirements": terms}
    first, second = (client().post(f"{world.facilitator_url}/settle", json=asked).json() for _ in range(2))
    assert first["success"] is True
    assert (second["success"], second["errorReason"]) == (False, reason)
    assert bool(second["transaction"]) is not simulate
    assert len(hand.transfers()) == 1


def test_a_moved_price_is_a_new_402_and_settles_nothing(world: World, buyer: Buyer) -> None:
    hand = ManualBuyer(world, buyer)
    signed = hand.sign()
    world.settings.update(prices={"trading-signals": 20_000})
    answer = hand.send(signed)
    assert terms_of(answer)["amount"] == "20000"
    assert hand.transfers() == []


@pytest.mark.parametrize("version", [1, 2])
def test_tmai_is_sold_for_ten_percent_less_once_switched_on(world: World, version: int) -> None:
    buyer = world.buyer("tmai-buyer", symbol="TMAI")
    hand = ManualBuyer(
        world, buyer, f"{world.seller_base}/x402v{version}/v2/trading-signals", **{"x-payment-token": "tmai"}
    )
    assert hand.terms()["asset"] == world.asset["address"], "off by default"
    world.settings.update(tmai=True)
    terms = hand.terms()
    assert terms["asset"] == world.asset_of("TMAI")["address"]
    amount = terms.get("amount") or terms["maxAmountRequired"]
    assert int(amount) == 306 * 10**15
    before = len(world.transfers(buyer.address, "TMAI"))
    assert hand.send(hand.sign(symbol="TMAI")).status_code == 200
    assert len(world.transfers(buyer.address, "TMAI")) == before + 1


def test_a_payment_identifier_is_offered_ignored_or_honoured(world: World, buyer: Buyer) -> None:
    hand = ManualBuyer(world, buyer)

    def pay(identifier: str, **params: str) -> httpx.Response:
        hand.params = {"token_id": "3375", **params}
        signed = hand.sign()
        document = json.loads(base64.b64decode(signed.header["payment-signature"]))
        document["extensions"] = {"payment-identifier": _declared(hand.ask()) | {}}
        document["extensions"]["payment-identifier"]["info"]["id"] = identifier
        header = base64.b64encode(json.dumps(document).encode()).decode()
        sent = hand.client.get(hand.url, params=hand.params, headers={**hand.headers, "payment-signature": header})
        again = hand.client.get(hand.url, params=hand.params, headers={**hand.headers, "payment-signature": header})
        return again if again.status_code == 200 else sent

    assert "payment-identifier" not in json.loads(base64.b64decode(hand.ask().headers["payment-required"])).get(
        "extensions", {}
    )
    world.settings.update(payment_identifier="ignored")
    assert pay("identifier-0001").status_code == 200
    assert pay("identifier-0001").status_code == 200
    assert len(hand.transfers()) == 2, "offered and ignored: the same id paid twice"
    world.settings.update(payment_identifier="honoured")
    assert pay("identifier-0002").status_code == 200
    assert pay("identifier-0002", limit="9").status_code == 409
    assert len(hand.transfers()) == 3


def _declared(answer: httpx.Response) -> dict[str, dict[str, object]]:
    terms = json.loads(base64.b64decode(answer.headers["payment-required"]))
    declared: dict[str, dict[str, object]] = terms["extensions"]["payment-identifier"]
    return declared


def test_an_expired_or_early_authorization_is_refused_by_the_world_s_clock(own_world: World) -> None:
    hand = ManualBuyer(own_world, own_world.buyer("clock"))
    signed = hand.sign(valid_for=60)
    own_world.clock.advance(55)
    assert hand.send(signed).status_code == 402, "less than six seconds are left"
    own_world.clock.advance(86_400)
    fresh = hand.sign(valid_for=60)
    assert hand.send(fresh).status_code == 200
    assert own_world.env["TOLLBOOK_CLOCK_OFFSET"] == repr(own_world.clock.offset)


@pytest.mark.parametrize(
    ("path", "method", "ask", "rows"),
    [
        ("/heurist/x402/agents/TokenResolverAgent/token_search", "POST", {"query": "BTC"}, ("result",)),
        ("/firecrawl/v1/x402/search", "POST", {"query": "bitcoin etf", "limit": 3}, ("data",)),
        ("/tavily/search", "POST", {"query": "bitcoin etf"}, ("results",)),
        ("/coingecko/api/v3/x402/simple/price", "GET", {"ids": "bitcoin,ethereum"}, ()),
        ("/glassnode/v1/metrics/market/price_usd_close", "GET", {"a": "BTC"}, ()),
    ],
)
def test_other_sellers_sell_in_their_own_shapes(
    world: World, buyer: Buyer, path: str, method: str, ask: dict[str, object], rows: tuple[str, ...]
) -> None:
    hand = ManualBuyer(world, buyer, world.seller_base + path)
    how = {"json": ask} if method == "POST" else {"params": ask}
    terms = terms_of(client().request(method, hand.url, **how))
    answer = client().request(method, hand.url, headers=hand.sign(terms).header, **how)
    assert answer.status_code == 200
    found = answer.json()
    for step in rows:
        found = found[step]
    assert found
    assert len(hand.transfers()) == 1
    v1 = "maxAmountRequired" in terms
    assert v1 is path.startswith("/firecrawl")


def test_eight_buyers_at_once_settle_once_each_in_few_blocks(world: World, buyer: Buyer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    hand = ManualBuyer(world, buyer)
    signed = [hand.sign() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(hand.send, signed))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({transfer["tx_hash"] for transfer in hand.transfers()}) == 8
