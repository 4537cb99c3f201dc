"""A scripted shop, and httpx clients whose transport pays it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

import payer
from payer.context import PayerContext
from payer.http.exchange import Answer
from payer.paid_transport.transport import PaidTransport, PaidTransportError
from payer.values.chain_view import ChainView, NonceState
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
