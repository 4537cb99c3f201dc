"""The chain's own account of a wallet, read without any code of the payer, and the comparison with a ledger's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollbook.payer.ledger import Ledger
from tollbook.payer.ledger.caps import buckets
from tollbook.payer.types import Data, Money, Purchase

if TYPE_CHECKING:
    from tollbook.sandbox.world import World

AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@dataclass(frozen=True)
class Paid:
    """One transfer that an authorization of the wallet made."""

    nonce: str
    tx_hash: str
    value: int


def payments(world: World, wallet: str, symbol: str = "USDC") -> list[Paid]:
    """Every transfer out of the wallet with its nonce; the facilitator sends one in a transaction."""
    topic = "0x" + "00" * 12 + wallet[2:].lower()
    query = {
        "address": world.tokens[symbol].address,
        "fromBlock": "0x0",
        "toBlock": "latest",
        "topics": [[AUTHORIZATION_USED, TRANSFER], topic],
    }
    used, moved = {}, []
    for log in world.rpc.call("eth_getLogs", [query]):
        if log["topics"][0] == TRANSFER:
            moved.append((log["transactionHash"], int(log["data"], 16)))
        else:
            used[log["transactionHash"]] = log["topics"][2]
    return [Paid(used[tx_hash], tx_hash, value) for tx_hash, value in moved]


def assert_books_equal_chain(
    world: World, wallet: str, ledgers: Iterable[Ledger], *, before: int, symbol: str = "USDC", closed: bool = True
) -> None:
    """I1, I3, I5: one transfer per purchase at most; what ledgers call spent is what left the wallet, one to one.

    Several ledgers are several machines over one wallet: they may know of the same transfer. `closed` says that nothing
    may be in doubt any more.
    """
    paid = payments(world, wallet, symbol)
    doubled = [nonce for nonce, times in Counter(one.nonce for one in paid).items() if times > 1]
    assert not doubled, f"paid more than once: {doubled}"
    assert before - world.balance(wallet, symbol) == sum(one.value for one in paid)
    booked: dict[str, Paid] = {}
    open_nonces: set[str] = set()
    for ledger in ledgers:
        for purchase in ledger.purchases():
            if purchase.asset.symbol != symbol:
                continue
            if purchase.money is Money.SPENT:
                assert purchase.settlement is not None
                booked[purchase.nonce] = Paid(purchase.nonce, purchase.settlement.tx_hash, purchase.spent)
            elif purchase.money is Money.EXPOSED:
                open_nonces.add(purchase.nonce)
        assert_caps_count_what_is_committed(ledger)
    assert not (closed and open_nonces), f"still in doubt: {open_nonces}"
    unbooked = [one for one in paid if one.nonce not in booked and one.nonce not in open_nonces]
    assert not unbooked, f"on chain, and no ledger has it: {unbooked}"
    chain = {one.nonce: one for one in paid}
    assert booked == {nonce: chain.get(nonce) for nonce in booked}


def assert_caps_count_what_is_committed(ledger: Ledger) -> None:
    """I3: every bucket holds exactly what its purchases commit."""
    purchases = ledger.purchases()
    for asset in {purchase.asset for purchase in purchases}:
        expected: Counter[tuple[str, str]] = Counter()
        for purchase in purchases:
            if purchase.asset == asset:
                expected.update(dict.fromkeys(buckets(purchase.run).values(), purchase.committed))
        held = ledger.committed(asset)
        assert {key: atoms for key, atoms in held.items() if atoms} == {k: v for k, v in expected.items() if v}


def is_finished(purchase: Purchase) -> bool:
    """The promise kept: the body is here, or its loss is written down, or no money was taken."""
    return purchase.data is Data.DELIVERED or purchase.undelivered or purchase.money is Money.VOID
