"""A seller, a chain and a clock that say what a test tells them: for answers no real seller gives on demand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from payer.chain.chain import Account, Head, TokenData
from payer.context import PayerContext
from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.policy.file import parse_policy
from payer.policy.rules import AttemptLimits, Policy
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.errors import ChainUnreachable
from payer.values.money import Asset
from payer.values.request import Order, Request
from payer.wallet.eip3009 import Wallet, domain_separator
from tests.payer import purchases as p
from tests.simulation.disk import Store

KEY = bytes.fromhex("11" * 32)
SELLER = "http://127.0.0.1:9/v2"
POLICY = f"""
[network]
chain_id = 31337
v1_name = "sandbox"
rpc_url = "http://127.0.0.1:9"
finality = "safe"

[assets.USDC]
address = "{p.USDC.address}"
eip712_name = "USD Coin"
eip712_version = "2"
decimals = 6

[caps.USDC]
per_call = "0.10"
per_run = "1.00"
per_flow_day = "2.00"
per_day = "5.00"
per_month = "50.00"
price_drift = "0.25"

[sellers.s]
base_url = "{SELLER}"
pay_with = "USDC"
pay_to = ["{p.PAYEE}"]
"""


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    at: datetime = p.NOW

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


Outcome = Answer | NoAnswer | NotSent


@dataclass
class ScriptedSeller:
    """Answers each request with the next outcome of its script, the last one for ever; keeps what was sent."""

    script: list[Outcome]
    headers: list[dict[str, str]] = field(default_factory=list)

    def turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        self.headers.append({name.lower(): value for name, value in headers.items()})
        outcome = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    @property
    def payments(self) -> list[dict[str, object]]:
        """The decoded payment of each paid request, in order."""
        sent = [h["payment-signature"] for h in self.headers if "payment-signature" in h]
        return [json.loads(base64.b64decode(value)) for value in sent]


@dataclass
class ScriptedChain:
    """One view for every nonce, or none."""

    view: Callable[[], ChainView | None]
    held: int = 10**12
    looks: int = 0
    says: TokenData | None = None
    token_reads: int = 0
    code_at: bytes = b""
    says_of_signatures: str | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def head(self) -> Head:
        view = self._view()
        return Head(view.head_number, view.head_time, view.final_number, view.final_time)

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        self.looks += 1
        return {nonce: self._view() for nonce in nonces}

    async def balance(self, asset: Asset, owner: str) -> int:
        return self.held

    async def token(self, asset: Asset) -> TokenData:
        self.token_reads += 1
        return self.says or TokenData(asset.decimals, asset.eip712_name, asset.eip712_version, domain_separator(asset))

    async def code(self, address: str) -> bytes:
        return self.code_at

    async def ask(self, contract: str, data: str) -> str | None:
        self.asked.append((contract, data))
        return self.says_of_signatures

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return []

    async def paid(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        return await self.transfers(asset, payer, from_block, to_block)

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        head = await self.head()
        return {number: head.time - 2 * (head.number - number) for number in blocks}

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        return None

    def _view(self) -> ChainView:
        view = self.view()
        if view is None:
            raise ChainUnreachable("scripted")
        return view


def chain_view(
    state: NonceState, final: NonceState | None = None, *, final_time: int = 0, settlement: Settlement | None = None
) -> ChainView:
    return ChainView(20, final_time + 4, 18, final_time, state, final or state, settlement)


def answer(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, 0.01)


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def challenge(
    amount: int = p.PRICE, *, pay_to: str = p.PAYEE, number: int = 0, extensions: object = None, **entry: object
) -> Answer:
    """A v2 402 with these terms; `entry` are further fields of its one offer."""
    url = f"{SELLER}/tm-grade?token_id={number}"
    accepts = [offer(amount, pay_to=pay_to, **entry)]
    document = {"x402Version": 2, "error": "pay", "resource": {"url": url}, "accepts": accepts}
    return answer(402, payment_required=encoded(document | ({"extensions": extensions} if extensions else {})))


def offer(amount: int = p.PRICE, *, pay_to: str = p.PAYEE, **entry: object) -> dict[str, object]:
    """One `accepts` entry."""
    return {
        "scheme": "exact",
        "network": "eip155:31337",
        "amount": str(amount),
        "asset": p.USDC.address,
        "payTo": pay_to,
        "maxTimeoutSeconds": 300,
        "extra": {"name": "USD Coin", "version": "2"},
        **entry,
    }


def accepted(amount: int = p.PRICE, *, pay_to: str = p.PAYEE, **entry: object) -> str:
    """The entry as terms keep it."""
    return json.dumps(offer(amount, pay_to=pay_to, **entry), separators=(",", ":"))


def body(content: bytes = b"{}") -> Body:
    return Body(content, "application/json")


def order(number: int = 0, **changes: object) -> Order:
    return p.order(number, **changes)


@cache
def policy(text: str = POLICY) -> Policy:
    return parse_policy(text)


_ledgers: list[Ledger] = []


def close_ledgers() -> None:
    """Close what `context` opened. tests/payer/conftest.py does so after each test."""
    while _ledgers:
        _ledgers.pop().close()


_stores: list[Store] = []


def _store(number: int) -> Store:
    """Used again by the next test, blank: its statements are compiled by then."""
    while len(_stores) <= number:
        _stores.append(Store())
    return _stores[number]


def context(
    tmp_path: Path | None, seller: ScriptedSeller, chain: ScriptedChain, clock: FakeClock | None = None
) -> PayerContext:
    """A desk with a ledger in that folder; without one in memory, which a large table of cases needs."""
    ledger = _store(len(_ledgers)).opened() if tmp_path is None else Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    _ledgers.append(ledger)
    return PayerContext(
        ledger=ledger,
        policy=policy(),
        chain=chain,
        transport=seller,
        wallet=Wallet(KEY),
        clock=clock or FakeClock(),
        owner="tests",
        limits=AttemptLimits(),
    )
