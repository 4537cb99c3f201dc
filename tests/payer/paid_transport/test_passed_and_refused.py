"""Requests that the httpx transport passes through unpaid, and those it refuses before money."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import payer
from payer.paid_transport.transport import PaidTransport
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.paid_transport.shop import SOLD, URL, desk, failure, get, shop, transport, using

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


def test_one_request_with_another_accept_header_is_refused_rather_than_answered_wrongly(tmp_path: Path) -> None:
    context = desk(tmp_path, shop())
    get(transport(context))
    error = failure(transport(context), headers={"accept": "text/csv"})
    assert isinstance(error, payer.ConflictingRequest)
    assert "accept" in error.what


def test_an_unknown_edition_is_refused_when_the_transport_is_made() -> None:
    with pytest.raises(payer.Misconfigured, match="'week'"):
        PaidTransport(s.policy(), edition="week")


def test_a_missing_home_is_told_before_anything_is_sent() -> None:
    error = failure(PaidTransport(s.policy(), environ={}))
    assert isinstance(error, payer.Misconfigured)
    assert "TOLLBOOK_HOME" in error.what
