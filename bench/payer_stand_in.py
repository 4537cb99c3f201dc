"""A seller and a chain that cost next to nothing, for what the sandbox's real chain would hide: it settles one payment
at a time, 40 ms of CPU each. `python -m bench.payer_stand_in` serves; paid requests take as long as ?wait= says."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from payer.chain.chain import Account, Head, TokenData
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.money import Asset
from payer.values.request import Order, Request
from payer.wallet.eip3009 import domain_separator
from tests.payer import purchases as p
from tests.payer.scripted import POLICY, SELLER

BODY = b'{"success":true,"message":"","length":0,"data":[]}'
PRICE = 20_000
PATH = "/v2/item"


@contextmanager
def stand_in() -> Iterator[str]:
    """A seller in a process of its own; its address."""
    command = [sys.executable, "-m", "bench.payer_stand_in"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def policy(url: str) -> str:
    text = POLICY.replace(SELLER, f"{url}/v2")
    for cap in ("1.00", "2.00", "5.00", "50.00"):
        text = text.replace(f'"{cap}"', '"9000"')
    return text


def piece(url: str, number: int, *, wait: float = 0.0) -> Order:
    params = (("n", str(number)), ("wait", str(wait)))
    return Order(Request("GET", url + PATH, params), "final", "s", "item")


def _terms(host: str) -> str:
    accepted = {
        "scheme": "exact",
        "network": p.USDC.network,
        "amount": str(PRICE),
        "asset": p.USDC.address,
        "payTo": p.PAYEE,
        "maxTimeoutSeconds": 300,
        "extra": {"name": p.USDC.eip712_name, "version": p.USDC.eip712_version},
    }
    resource = {"url": f"http://{host}{PATH}", "description": "", "mimeType": "application/json"}
    document = {"x402Version": 2, "error": "pay", "resource": resource, "accepts": [accepted], "extensions": {}}
    return base64.b64encode(json.dumps(document).encode()).decode()


@dataclass
class StandInChain:
    """A chain on which nonces are unused, but for those whose settlement it was given."""

    settled: Mapping[str, Settlement] = field(default_factory=dict)

    async def head(self) -> Head:
        now = int(time.time())
        return Head(20, now, 18, now - 4)

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        head = await self.head()
        return {name: self._view(head, self.settled.get(name)) for name in nonces}

    def _view(self, head: Head, found: Settlement | None) -> ChainView:
        state = NonceState.UNUSED if found is None else NonceState.USED
        return ChainView(head.number, head.time, head.final_number, head.final_time, state, state, found)

    async def balance(self, asset: Asset, owner: str) -> int:
        return 10**15

    async def token(self, asset: Asset) -> TokenData:
        return TokenData(asset.decimals, asset.eip712_name, asset.eip712_version, domain_separator(asset))

    async def code(self, address: str) -> bytes:
        return b""

    async def ask(self, contract: str, data: str) -> str | None:
        return None

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return []

    async def paid(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return await self.transfers(asset, payer, from_block, to_block)

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        head = await self.head()
        return {number: head.time - 2 * (head.number - number) for number in blocks}

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        return None


def _serve() -> None:
    import socket

    import uvicorn

    opened = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{opened.getsockname()[1]}"
    plain = [(b"content-type", b"application/json")]
    asked = (402, [*plain, (b"payment-required", _terms(host).encode())], b"{}")

    async def app(scope, _receive, send):  # type: ignore[no-untyped-def]
        paid = any(name == b"payment-signature" for name, _ in scope["headers"])
        status, headers, body = (200, plain, BODY) if paid else asked
        if paid:
            await asyncio.sleep(float(parse_qs(scope["query_string"].decode()).get("wait", ["0"])[0]))
        size = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, size]})
        await send({"type": "http.response.body", "body": body})

    print(f"http://{host}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", interface="asgi3")).run(sockets=[opened])


if __name__ == "__main__":
    _serve()
