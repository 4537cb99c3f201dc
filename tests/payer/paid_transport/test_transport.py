"""The httpx transport: bought once, kept ever after, passed through where nothing is asked, refused before money."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

import payer
from payer.context import PayerContext
from payer.http.outcome import Answer, NoAnswer, NotSent
from payer.paid_transport.purchase import PROVED_TOGETHER
from payer.paid_transport.transport import PaidTransport, PaidTransportError
from payer.values.chain_view import ChainView, NonceState
from payer.values.purchase import Data, Delivery, Money
from tests.payer import purchases as p
from tests.payer import scripted as s

T = TypeVar("T")
URL = f"{s.SELLER}/tm-grade"
UNUSED = s.chain_view(NonceState.UNUSED)
BODY = b'{"data": [1]}'
SOLD = s.answer(200, BODY, content_type="application/json")


class Shop(s.ScriptedSeller):
    """Asks 402 of what is unpaid, and answers what is paid by its script."""

    async def send(self, request: payer.Request, headers: object, *, timeout: float) -> Answer:
        await asyncio.sleep(0)
        if any(name.lower() == "payment-signature" for name in headers):  # type: ignore[attr-defined]
            return await super().send(request, headers, timeout=timeout)  # type: ignore[arg-type]
        return s.challenge(number=0)


def shop(*outcomes: s.Outcome) -> Shop:
    return Shop([*outcomes] or [SOLD])


def desk(
    tmp_path: Path | None, seller: s.ScriptedSeller, view: Callable[[], ChainView | None] = lambda: UNUSED
) -> PayerContext:
    return s.context(tmp_path, seller, s.ScriptedChain(view))


def transport(context: PayerContext, **options: object) -> PaidTransport:
    return PaidTransport(context.policy, context=context, **options)  # type: ignore[arg-type]


def using(paid: PaidTransport, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    async def open_and_work() -> T:
        async with httpx.AsyncClient(transport=paid) as client:
            return await work(client)

    return asyncio.run(open_and_work())


def get(paid: PaidTransport, url: str = URL, **request: object) -> httpx.Response:
    return using(paid, lambda client: client.get(url, **request))  # type: ignore[arg-type]


def failure(paid: PaidTransport, url: str = URL, **request: object) -> PaidTransportError:
    with pytest.raises(PaidTransportError) as caught:
        get(paid, url, **request)
    return caught.value


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


def test_two_transports_on_one_ledger_buy_once(tmp_path: Path) -> None:
    """As two processes do: the second waits for the first one's lease, and finds its body."""
    seller = shop()
    one, other = desk(tmp_path, seller), replace(desk(tmp_path, seller), owner="another")

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


PASSES = {
    "200": s.answer(200, b"free", content_type="text/plain", x_limit="7"),
    "204": s.answer(204, b""),
    "301": s.answer(301, b"", location="/elsewhere"),
    "404": s.answer(404, b'{"error": "no such token"}'),
    "500": s.answer(500, b"broken"),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_asks_for_no_money_passes_through(tmp_path: Path, name: str) -> None:
    context = desk(tmp_path, s.ScriptedSeller([PASSES[name]]))
    response = get(transport(context))
    assert (response.status_code, response.content) == (int(name), PASSES[name].body)
    assert "tollbook" not in response.extensions
    assert context.ledger.purchases() == []


def test_a_free_answer_passes_after_a_paid_one_at_the_same_endpoint(tmp_path: Path) -> None:
    """Terms that are known say nothing about another request: the seller is asked, unpaid, each time."""
    seller = s.ScriptedSeller([s.challenge(), SOLD, s.answer(404, b"no such token")])
    context = desk(tmp_path, seller)

    async def both(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get(URL, params={"id": number})).status_code for number in (1, 2)]

    assert using(transport(context), both) == [200, 404]


def test_without_asking_first_a_payment_goes_with_the_first_request(tmp_path: Path) -> None:
    seller = s.ScriptedSeller([s.challenge(), SOLD])
    paid = transport(desk(tmp_path, seller), ask_first=False)

    async def three(client: httpx.AsyncClient) -> None:
        for number in range(3):
            await client.get(URL, params={"id": number})

    using(paid, three)
    assert (len(seller.headers), len(seller.payments)) == (4, 3)


def test_response_headers_open_no_session_and_say_no_other_length(tmp_path: Path) -> None:
    free = s.answer(200, b"abc", content_length="99", set_cookie="a=b", transfer_encoding="chunked", etag="x")
    response = get(transport(desk(tmp_path, s.ScriptedSeller([free]))))
    assert dict(response.headers) == {"content-length": "3", "etag": "x"}


def test_a_refusal_is_both_an_httpx_error_and_a_payers_error(tmp_path: Path) -> None:
    seller = s.ScriptedSeller([s.challenge(10**9)])
    context = desk(tmp_path, seller)
    error = failure(transport(context))
    assert isinstance(error, payer.QuoteUnacceptable)
    assert isinstance(error, httpx.TransportError)
    assert str(error.request.url) == URL
    assert (error.money, error.exit_code) == ("none was sent", 3)
    assert "Money: none was sent. Ask again: yes" in str(error)
    assert seller.payments == context.ledger.purchases() == []


def test_an_unknown_host_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    seller = shop()
    error = failure(transport(desk(tmp_path, seller)), "https://other.example/x")
    assert isinstance(error, payer.Refused)
    assert seller.headers == []


def test_a_streamed_upload_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async def parts() -> object:
        yield b"part"

    seller = shop()
    with pytest.raises(payer.Refused, match="can't be sent again"):
        using(transport(desk(tmp_path, seller)), lambda client: client.post(URL, content=parts()))  # type: ignore[arg-type]
    assert seller.headers == []


def test_caps_hold_across_requests(tmp_path: Path) -> None:
    seller = shop()
    context = desk(tmp_path, seller)
    caps = replace(context.policy.caps["USDC"], per_run=2 * p.PRICE)
    context = replace(context, policy=replace(context.policy, caps={"USDC": caps}))
    paid = transport(context)

    async def three(client: httpx.AsyncClient) -> None:
        for number in range(3):
            await client.get(URL, params={"id": number})

    with pytest.raises(payer.OverBudget, match="per_run"):
        using(paid, three)
    assert len(seller.payments) == 2


def test_a_payment_in_doubt_says_so_and_is_presented_again_not_paid_again(tmp_path: Path) -> None:
    """The answer is lost; a later get presents the same authorization and gets the body."""
    seller = shop(NoAnswer("reset"))
    context = desk(tmp_path, seller)
    error = failure(transport(context))
    assert isinstance(error, payer.Unresolved)
    assert error.money.startswith("sent")
    seller.script = [SOLD]
    again = get(transport(context))
    assert again.extensions["tollbook"]["bought"]
    assert len({json.dumps(payment["payload"]) for payment in seller.payments}) == 1


def test_a_crash_after_the_payment_is_carried_on_by_the_next_process(tmp_path: Path) -> None:
    crashed = shop(NoAnswer("the process died here"))
    failure(transport(desk(tmp_path, crashed)))
    seller = shop()
    context = desk(tmp_path, seller)
    response = get(transport(context))
    assert response.content == BODY
    nonces = {payment["payload"]["authorization"]["nonce"] for payment in [*crashed.payments, *seller.payments]}  # type: ignore[index]
    assert len(nonces) == len(context.ledger.purchases()) == 1


class SlowShop(Shop):
    """Answers a payment once it is told to."""

    def __init__(self) -> None:
        super().__init__([SOLD])
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    async def send(self, request: payer.Request, headers: object, *, timeout: float) -> Answer:
        answer = await super().send(request, headers, timeout=timeout)
        if answer is SOLD:
            self.asked.set()
            await self.told.wait()
        return answer


def test_a_caller_that_gives_up_leaves_the_payment_running(tmp_path: Path) -> None:
    """The body is booked; the next get has it, and nothing is presented a second time."""
    seller = SlowShop()
    context = desk(tmp_path, seller)

    async def impatient(client: httpx.AsyncClient) -> httpx.Response:
        waiting = asyncio.create_task(client.get(URL))
        await seller.asked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        seller.told.set()
        return await client.get(URL)

    response = using(transport(context), impatient)
    assert response.content == BODY
    assert len(seller.payments) == 1


def test_a_loss_is_told_and_never_bought_again_by_itself(tmp_path: Path) -> None:
    settled = s.chain_view(NonceState.USED, settlement=p.settlement())
    views = [UNUSED]
    seller = shop(s.answer(404, b"gone"))
    context = desk(tmp_path, seller, lambda: views[0])
    failure(transport(context))
    views[0] = settled
    assert isinstance(failure(transport(context)), payer.PaidUndelivered)
    assert len({payment["payload"]["authorization"]["nonce"] for payment in seller.payments}) == 1  # type: ignore[index]


def test_a_body_that_cannot_be_used_is_a_loss_with_the_callers_own_check(tmp_path: Path) -> None:
    def check(delivery: Delivery) -> str:
        return "no data" if b"data" not in delivery.body else ""

    seller = shop(s.answer(200, b"<html>"))
    context = replace(desk(tmp_path, seller), check_body=check)
    for _ in range(2):
        error = failure(transport(context))
        assert isinstance(error, payer.PaidUndelivered)
        assert "can't be used: no data" in error.what
    assert len(seller.payments) == 1


def test_a_body_that_waits_in_the_spool_is_booked_first(tmp_path: Path) -> None:
    from payer.spool import Spool

    seller = shop(NoAnswer("reset"))
    context = replace(desk(tmp_path, seller), spool=Spool(tmp_path / "spool"))
    failure(transport(context))
    [exposed] = context.ledger.purchases()
    assert context.spool is not None
    context.spool.put(exposed.purchase_id, SOLD, context.clock.now())
    sent = len(seller.payments)
    assert get(transport(context)).content == BODY
    assert len(seller.payments) == sent


def test_one_request_with_another_accept_header_is_refused_rather_than_answered_wrongly(tmp_path: Path) -> None:
    context = desk(tmp_path, shop())
    get(transport(context))
    error = failure(transport(context), headers={"accept": "text/csv"})
    assert isinstance(error, payer.ConflictingRequest)
    assert "accept" in error.what


def test_what_the_chain_proves_is_booked_when_the_client_closes(tmp_path: Path) -> None:
    views = [UNUSED]
    context = desk(tmp_path, shop(), lambda: views[0])

    async def settle(client: httpx.AsyncClient) -> None:
        await client.get(URL)
        views[0] = s.chain_view(NonceState.USED, settlement=p.settlement())

    using(transport(context), settle)
    [purchase] = context.ledger.purchases()
    assert (purchase.money, purchase.data) == (Money.SPENT, Data.DELIVERED)
    kept = get(transport(context)).extensions["tollbook"]
    assert purchase.settlement is not None
    assert kept["transaction"] == purchase.settlement.tx_hash


def test_a_long_lived_client_has_the_chain_looked_at_once_for_many(tmp_path: Path) -> None:
    context = desk(tmp_path, shop())
    chain = context.chain
    assert isinstance(chain, s.ScriptedChain)
    wide = replace(context.policy.caps["USDC"], per_run=10**9, per_flow_day=10**9, per_day=10**9, per_month=10**9)
    context = replace(context, policy=replace(context.policy, caps={"USDC": wide}))

    async def many(client: httpx.AsyncClient) -> int:
        for number in range(PROVED_TOGETHER):
            await client.get(URL, params={"id": number})
        return chain.looks

    before_closing = using(transport(context), many)
    assert chain.looks - before_closing <= 2
    assert before_closing >= PROVED_TOGETHER


def test_an_unreadable_chain_at_closing_loses_nothing(tmp_path: Path) -> None:
    views: list[ChainView | None] = [UNUSED]
    context = desk(tmp_path, shop(), lambda: views[0])

    async def lose(client: httpx.AsyncClient) -> None:
        await client.get(URL)
        views[0] = None

    using(transport(context), lose)
    [purchase] = context.ledger.purchases()
    assert (purchase.money, purchase.data) == (Money.EXPOSED, Data.DELIVERED)


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


def test_an_unknown_edition_is_refused_when_the_transport_is_made() -> None:
    with pytest.raises(payer.Misconfigured, match="'week'"):
        PaidTransport(s.policy(), edition="week")


def test_a_missing_home_is_told_before_anything_is_sent() -> None:
    error = failure(PaidTransport(s.policy(), environ={}))
    assert isinstance(error, payer.Misconfigured)
    assert "TOLLBOOK_HOME" in error.what
