"""The httpx transport: bought once, kept ever after, by both clients and in its edition."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx

from payer.http.exchange import NotSent
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.paid_transport.shop import BODY, URL, desk, get, shop, transport, using


def test_an_ordinary_get_pays_and_says_what_it_bought(tmp_path: Path) -> None:
    seller = shop()
    context = desk(tmp_path, seller)
    response = get(transport(context))
    assert (response.status_code, response.json(), response.headers["content-type"]) == (
        200,
        {"data": [1]},
        "application/json",
    )
    [purchase] = context.ledger.purchases()
    assert response.extensions["tollbook"] == {
        "bought": True,
        "kept": False,
        "purchase_id": purchase.purchase_id,
        "amount_atomic": p.PRICE,
        "asset": "USDC",
        "transaction": None,
        "edition": "day:2026-11-22",
    }
    assert json.dumps(response.extensions["tollbook"])
    assert (purchase.run.flow, purchase.run.reason, len(seller.payments)) == ("httpx", "httpx", 1)


def test_asked_again_by_another_client_it_gets_the_body_that_is_kept(tmp_path: Path) -> None:
    """Another process is another context on the same ledger."""
    first = get(transport(desk(tmp_path, shop())))
    silent = s.ScriptedSeller([NotSent("no seller is needed")])
    again = get(transport(replace(desk(tmp_path, silent), wallet=None, owner="another")))
    assert again.content == first.content
    assert again.headers == first.headers
    assert again.extensions["tollbook"] == {**first.extensions["tollbook"], "bought": False, "kept": True}
    assert silent.headers == []


def test_eight_parallel_gets_of_one_request_buy_once(tmp_path: Path) -> None:
    seller = shop()
    context = desk(tmp_path, seller)

    async def eight(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(client.get(URL, params={"token_id": "1"}) for _ in range(8)))

    responses = using(transport(context), eight)
    assert {response.content for response in responses} == {BODY}
    assert sum(response.extensions["tollbook"]["bought"] for response in responses) == 1
    assert len(seller.payments) == len(context.ledger.purchases()) == 1


class _PatientClock(s.FakeClock):
    """A process that waits for another's lease sleeps in earnest, and no lease ends meanwhile on a busy machine."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01)


def test_two_transports_on_one_ledger_buy_once(tmp_path: Path) -> None:
    """As two processes do: the second waits for the first one's lease, and finds its body."""
    seller = shop()
    one, other = (replace(desk(tmp_path, seller), owner=owner, clock=_PatientClock()) for owner in ("tests", "another"))

    async def both() -> list[httpx.Response]:
        async with (
            httpx.AsyncClient(transport=transport(one)) as first,
            httpx.AsyncClient(transport=transport(other)) as second,
        ):
            return await asyncio.gather(first.get(URL), second.get(URL))

    responses = asyncio.run(both())
    assert {response.content for response in responses} == {BODY}
    assert len({payment["payload"]["authorization"]["nonce"] for payment in seller.payments}) == 1  # type: ignore[index]
    assert len(one.ledger.purchases()) == 1


def test_the_sync_client_buys_the_same_way_from_any_thread(tmp_path: Path) -> None:
    seller = shop()
    with httpx.Client(transport=transport(desk(tmp_path, seller))) as client, ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda _: client.get(URL), range(8)))
        posted = client.post(URL, json={"q": 1})
    assert {response.content for response in responses} == {BODY}
    assert sum(response.extensions["tollbook"]["bought"] for response in responses) == 1
    assert posted.extensions["tollbook"]["bought"]
    assert len(seller.payments) == 2


def test_another_edition_is_bought_and_the_same_one_is_not(tmp_path: Path) -> None:
    seller = shop()
    context = desk(tmp_path, seller)
    clock = context.clock
    assert isinstance(clock, s.FakeClock)
    paid = transport(context, edition="hour")

    async def over_the_hour(client: httpx.AsyncClient) -> list[tuple[bool, str]]:
        found = []
        for hours in (0, 0, 1):
            clock.at += timedelta(hours=hours)
            marks = (await client.get(URL)).extensions["tollbook"]
            found.append((marks["bought"], marks["edition"]))
        found.append(
            ((await client.get(URL, headers={"Tollbook-Edition": "once"})).extensions["tollbook"]["bought"], "")
        )
        return found

    assert using(paid, over_the_hour) == [
        (True, "hour:2026-11-22T12"),
        (False, "hour:2026-11-22T12"),
        (True, "hour:2026-11-22T13"),
        (True, ""),
    ]
    assert len(seller.payments) == 3


def test_a_purchase_of_the_pipeline_is_its_answer_too(tmp_path: Path) -> None:
    """The same request in the same edition, whoever bought it: an edition `once` is the pipeline's `final`."""
    context = desk(tmp_path, shop())
    order = s.order(7)
    assert order.edition == "final"
    item = replace(p.wanted(7), payer=context.signer().address)
    [purchase] = context.ledger.reserve(p.run(), [item], context.policy.caps, p.LEASE)
    from payer.values.events import Delivered

    event = Delivered(
        at=p.NOW, status=200, content_type="application/json", sha256=_sha256(BODY), size=len(BODY), received_at=p.NOW
    )
    context.ledger.append(purchase, event, body=s.body(BODY))
    kept = get(transport(context, edition="once"), f"{URL}?token_id=7", headers={"accept": "*/*"})
    assert kept.content == BODY
    assert kept.extensions["tollbook"]["purchase_id"] == purchase.purchase_id


def _sha256(content: bytes) -> str:
    from payer.ledger.database.rows import digest

    return digest(content)
