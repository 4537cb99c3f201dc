"""The payer's edge, piece by piece, in the paid world: official seller and facilitator, a real node and real tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from payer.chain.reader import RpcChain
from payer.http.exchange import Answer
from payer.http.transport import HttpTransport
from payer.policy.file import parse_policy
from payer.policy.judge import judge
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState
from payer.values.clock import SystemClock
from payer.values.errors import ChainUnreachable, QuoteUnacceptable
from payer.values.money import Asset
from payer.values.request import Request
from payer.values.terms import Authorization, Terms
from payer.wallet.eip3009 import Wallet, domain_separator
from payer.wallet.load import load_wallet
from payer.wallet.sign import authorize
from payer.wire.payment import payment_header
from payer.wire.seller_word import parse_receipt
from payer.wire.terms import parse_402
from sandbox.world import Buyer, World

T = TypeVar("T")
X402 = (("x-coinbase-402", "true"),)
NONCE = "0x" + "ab" * 32


@dataclass
class Edge:
    """Everything at the payer's edge for one buyer; each method is one run of an event loop."""

    world: World
    buyer: Buyer
    policy_text: str

    @property
    def policy(self) -> Policy:
        return parse_policy(self.policy_text)

    @property
    def wallet(self) -> Wallet:
        return load_wallet(self.buyer.env)

    @property
    def asset(self) -> Asset:
        return self.policy.asset_for("tokenmetrics")

    @property
    def request(self) -> Request:
        headers = (*X402, ("x-payment-token", self.asset.symbol.lower()))
        return Request("GET", f"{self.world.seller_url}/trading-signals", (("token_id", "3375"),), headers=headers)

    def send(self, headers: Mapping[str, str]) -> Answer:
        async def run() -> Answer:
            async with HttpTransport(self.policy, SystemClock()) as transport:
                return await transport.send(self.request, headers, timeout=20)

        return asyncio.run(run())

    def terms(self) -> Terms:
        answer = self.send({})
        challenge = parse_402(answer.status, answer.headers, answer.body)
        url = self.request.url
        return judge(
            self.policy, "tokenmetrics", challenge, request_url=url, pinned_pay_to=None, payer=self.wallet.address
        )

    def authorization(self, terms: Terms, nonce: str = NONCE) -> Authorization:
        return authorize(self.policy, terms, payer=self.wallet.address, nonce=nonce, now=SystemClock().now())

    def pay(self, terms: Terms, authorization: Authorization) -> Answer:
        name, value = payment_header(terms, authorization, self.wallet.sign(authorization), payment_id="tb_" + "0" * 20)
        return self.send({name: value})

    def ask(self, question: Callable[[RpcChain], Awaitable[T]]) -> T:
        async def run() -> T:
            chain = RpcChain(self.policy, SystemClock())
            try:
                return await question(chain)
            finally:
                await chain.aclose()

        return asyncio.run(run())

    def view(self, nonce: str = NONCE, start: int | None = 0) -> ChainView:
        return self.ask(lambda chain: chain.look(self.asset, self.wallet.address, {nonce: start}))[nonce]


@pytest.fixture
def edge(world: World, buyer: Buyer) -> Edge:
    return Edge(world, buyer, world.policy_path.read_text())


@pytest.mark.parametrize("version", [1, 2])
def test_terms_are_judged_signed_paid_and_proven(version: int, edge: Edge) -> None:
    """One purchase through the official seller and facilitator; the chain shows exactly what was signed (I1, I5)."""
    edge.world.settings.update(x402_version=version)
    terms = edge.terms()
    assert terms.version == version
    authorization = edge.authorization(terms)
    answer = edge.pay(terms, authorization)
    receipt = parse_receipt(answer.headers)
    view = edge.view()
    assert (answer.status, view.state) == (200, NonceState.USED)
    assert receipt is not None
    assert view.settlement is not None
    assert (receipt.success, receipt.transaction) == (True, view.settlement.tx_hash)
    assert (view.settlement.pay_to, view.settlement.value) == (terms.pay_to, terms.amount)
    (out,) = edge.ask(lambda chain: chain.transfers(edge.asset, edge.wallet.address, 0, view.head_number))
    assert (out.nonce, out.value, out.pay_to, out.tx_hash) == (NONCE, terms.amount, terms.pay_to, receipt.transaction)
    assert len(edge.world.transfers(edge.wallet.address)) == 1


@pytest.mark.parametrize("resend", ["refused", "served"])
def test_the_same_header_again_never_pays_again(resend: str, edge: Edge) -> None:
    edge.world.settings.update(resend=resend)
    terms = edge.terms()
    authorization = edge.authorization(terms)
    statuses = [edge.pay(terms, authorization).status for _ in range(3)]
    assert statuses == [200] + [402 if resend == "refused" else 200] * 2
    assert len(edge.world.transfers(edge.wallet.address)) == 1


def test_a_payment_identifier_is_sent_where_declared_and_a_seller_may_honour_it(edge: Edge) -> None:
    """Only a seller that read the identifier answers the same one from its cache, other terms or not."""
    edge.world.settings.update(payment_identifier="honoured", resend="refused")
    terms = edge.terms()
    assert "payment-identifier" in terms.extensions
    authorization = edge.authorization(terms)
    assert [edge.pay(terms, authorization).status for _ in range(2)] == [200, 200]
    assert len(edge.world.transfers(edge.wallet.address)) == 1


def test_two_authorizations_over_one_nonce_settle_once(edge: Edge) -> None:
    """EIP-3009: what lets two machines that know nothing of each other pay once."""
    terms = edge.terms()
    first = edge.authorization(terms)
    second = Authorization(
        **{f: getattr(first, f) for f in Authorization.__slots__} | {"valid_before": first.valid_before + 9}
    )
    assert edge.pay(terms, first).status == 200
    assert edge.pay(terms, second).status == 402
    assert len(edge.world.transfers(edge.wallet.address)) == 1


SWAPS: dict[str, tuple[str, dict[str, Any], str]] = {
    "payTo": ("swap_pay_to", {}, "payTo: the seller offers"),
    "asset": ("swap_asset", {}, "asset: the seller offers"),
    "network": ("swap_network", {"network": "eip155:8453"}, "network: the seller offers"),
    "price": ("swap_price", {"factor": 10}, "amount: the seller offers"),
    "domain": ("swap_name", {"eip712_name": "USDC"}, "extra.name: the seller offers 'USDC'"),
    "scheme": ("edit_terms", {"merge": {"scheme": "upto"}}, "scheme: the seller offers 'upto'"),
    "permit2": ("edit_terms", {"merge": {"extra": {"assetTransferMethod": "permit2"}}}, "extra.assetTransferMethod"),
    "upfront": ("edit_terms", {"merge": {"extra": {"paymentFlow": "upfront"}}}, "extra.paymentFlow"),
    "validity": ("edit_terms", {"merge": {"maxTimeoutSeconds": 10**9}}, "maxTimeoutSeconds: the seller offers"),
    "not base64": ("broken_terms", {}, "can't be read"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("fault", "params", "says"), SWAPS.values(), ids=SWAPS)
def test_terms_swapped_by_the_seller_are_refused(
    fault: str, params: dict[str, Any], says: str, version: int, edge: Edge
) -> None:
    """I6, over real sockets: no terms, so nothing to sign."""
    edge.world.settings.update(x402_version=version)
    if fault == "swap_network" and version == 1:
        params = {"network": "base"}
    edge.world.faults.add(fault, times=None, **params)
    with pytest.raises(QuoteUnacceptable) as caught:
        edge.terms()
    assert says in caught.value.what
    assert edge.world.transfers(edge.wallet.address) == []


@pytest.mark.parametrize("version", [1, 2])
def test_terms_in_the_other_versions_place_are_read_from_the_header_alone(version: int, edge: Edge) -> None:
    """A v1 document in PAYMENT-REQUIRED is paid as v1; v2 terms in a body are refused, as by official clients."""
    edge.world.settings.update(x402_version=version)
    edge.world.faults.add("terms_misplaced", times=None)
    if version == 1:
        assert edge.terms().version == 1
        return
    with pytest.raises(QuoteUnacceptable, match="belong in the PAYMENT-REQUIRED header"):
        edge.terms()


@pytest.mark.parametrize("fault", ["huge_402", "huge_header"])
def test_an_oversized_402_is_bounded_and_its_good_terms_still_count(fault: str, edge: Edge) -> None:
    edge.world.faults.add(fault, times=2)
    answer = edge.send({})
    assert answer.status == 402
    assert len(answer.body) <= 1024 * 1024
    assert max(map(len, answer.headers.values())) <= 64 * 1024 + 1
    assert edge.terms().amount > 0


def test_the_second_asset_is_bought_with_its_own_domain_and_decimals(world: World, buyer: Buyer) -> None:
    """TMAI: 18 decimals, caps and EIP-712 data from policy, asked for on the first request."""
    world.settings.update(tmai=True)
    token = world.asset_of("TMAI")
    text = world.policy_path.read_text().replace('pay_with = "USDC"', 'pay_with = "TMAI"')
    names = ("address", "eip712_name", "eip712_version")
    table = "\n".join([*(f'{name} = "{token[name]}"' for name in names), f"decimals = {token['decimals']}"])
    caps = "\n".join(f'{name} = "50"' for name in ("per_call", "per_run", "per_flow_day", "per_day", "per_month"))
    buyer = world.buyer(f"{buyer.home.name}-tmai", symbol="TMAI")
    edge = Edge(world, buyer, f"{text}\n[assets.TMAI]\n{table}\n\n[caps.TMAI]\n{caps}\n")
    terms = edge.terms()
    assert (terms.asset.symbol, terms.asset.decimals) == ("TMAI", 18)
    assert edge.pay(terms, edge.authorization(terms)).status == 200
    settlement = edge.view().settlement
    assert settlement is not None
    assert settlement.value == terms.amount
    assert len(world.transfers(buyer.address, "TMAI")) == 1
    assert world.transfers(buyer.address) == []


def test_our_domain_is_the_tokens_own(edge: Edge) -> None:
    assert edge.ask(lambda chain: chain.token(edge.asset)).domain_separator == domain_separator(edge.asset)


def test_the_balance_is_the_tokens(edge: Edge) -> None:
    balance = edge.ask(lambda chain: chain.balance(edge.asset, edge.wallet.address))
    assert balance == edge.world.balance(edge.wallet.address) > 0


def test_a_nonce_cancelled_on_chain_is_cancelled_and_not_paid(edge: Edge) -> None:
    edge.world.cancel(NONCE, edge.buyer.private_key)
    view = edge.view()
    assert (view.state, view.settlement) == (NonceState.CANCELLED, None)
    terms = edge.terms()
    assert edge.pay(terms, edge.authorization(terms)).status == 402
    assert edge.world.transfers(edge.wallet.address) == []


@pytest.mark.parametrize("start", [0, None])
def test_a_settlement_is_found_whether_or_not_its_block_is_remembered(start: int | None, edge: Edge) -> None:
    terms = edge.terms()
    edge.pay(terms, edge.authorization(terms))
    assert edge.view(start=start).settlement is not None


def test_a_settlement_becomes_final_when_the_final_block_passes_it(own_world: World) -> None:
    edge = Edge(own_world, own_world.buyer("final"), own_world.policy_path.read_text())
    terms = edge.terms()
    edge.pay(terms, edge.authorization(terms))
    early = edge.view()
    assert early.settlement is not None
    assert (early.settlement.final, early.state_final) == (False, NonceState.UNUSED)
    own_world.clock.advance(600)
    late = edge.view()
    assert late.settlement is not None
    assert (late.settlement.final, late.state_final) == (True, NonceState.USED)
    assert late.settlement.tx_hash == early.settlement.tx_hash


def test_many_nonces_read_in_one_call_are_those_read_one_by_one(edge: Edge) -> None:
    """Through the Multicall3 that the sandbox has at its usual address."""
    terms = edge.terms()
    edge.pay(terms, edge.authorization(terms))
    names = [NONCE, *("0x" + f"{number:064x}" for number in range(8))]
    views = edge.ask(lambda chain: chain.look(edge.asset, edge.wallet.address, dict.fromkeys(names, 0)))
    assert [name for name, view in views.items() if view.state is NonceState.USED] == [NONCE]
    assert views[NONCE].settlement == edge.view().settlement


DOWN = ["rpc_error", "rpc_status", "rpc_garbage", "rpc_wrong_chain", "rpc_no_tags", "rpc_down"]


@pytest.mark.parametrize("fault", DOWN)
def test_a_node_that_fails_leaves_everything_unknown(fault: str, edge: Edge) -> None:
    """I9."""
    edge.world.faults.add(fault, times=None)
    with pytest.raises(ChainUnreachable):
        edge.view()


@pytest.mark.parametrize("fault", ["rpc_no_logs", "rpc_foreign_logs", "rpc_receipt_missing", "rpc_receipt_failed"])
def test_a_used_nonce_without_believable_logs_is_neither_paid_nor_free(fault: str, edge: Edge) -> None:
    terms = edge.terms()
    edge.pay(terms, edge.authorization(terms))
    edge.world.faults.add(fault, times=None)
    view = edge.view()
    assert (view.state, view.settlement) == (NonceState.USED, None)


def test_doubled_logs_are_one_settlement(edge: Edge) -> None:
    terms = edge.terms()
    edge.pay(terms, edge.authorization(terms))
    edge.world.faults.add("rpc_double_logs", times=None)
    view = edge.view()
    assert view.settlement is not None
    assert len(edge.ask(lambda chain: chain.transfers(edge.asset, edge.wallet.address, 0, view.head_number))) == 1
