"""The official SDK's client as people use it: x402[httpx] with one ordinary retry around it. The negative control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx
from eth_account import Account
from x402 import x402Client
from x402.http.clients import wrapHttpxWithPayment
from x402.http.clients.httpx import PaymentError
from x402.mechanisms.evm.exact.register import register_exact_evm_client

from payer.values.request import Order


class ReferenceClient:
    """Signs again for each 402, with a random nonce; keeps nothing. `signed` counts its authorizations.

    `limit` is the most that one payment may be, in atomic units: its own default holds for tokens it knows.
    """

    def __init__(
        self, private_key: str, asset: Mapping[str, object], *, timeout: float = 60.0, limit: int | None = None
    ) -> None:
        client = x402Client()
        register_exact_evm_client(client, Account.from_key(private_key))
        network = f"eip155:{asset['chain_id']}"
        allowed = {"network": network, "asset": str(asset["address"])}
        most = {} if limit is None else {"max_amount_per_payment": str(limit)}
        client.set_spend_controls({"allowed_assets": [{**allowed, **most}]})
        client.on_after_payment_creation(self._count)
        self._http = wrapHttpxWithPayment(client, timeout=timeout)
        self.signed = 0

    async def _count(self, _context: object) -> None:
        self.signed += 1

    async def get(self, order: Order, *, tries: int = 1) -> bytes | None:
        """The body, or None when every try failed. A try is what a caller's retry would be."""
        for _ in range(tries):
            try:
                answer = await self._http.get(
                    order.request.url, params=list(order.request.params), headers=dict(order.request.headers)
                )
            except (httpx.HTTPError, PaymentError):
                continue
            if answer.status_code == 200:
                return answer.content
        return None

    async def get_all(self, orders: Sequence[Order]) -> list[bytes | None]:
        return [await self.get(order) for order in orders]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()
