"""The chain's own account of a wallet, read without any code of the payer, and the comparison with a ledger's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_account import Account

from payer.ledger import Ledger
from payer.ledger.caps import buckets
from payer.values.purchase import Data, Money, Purchase
from sandbox.keys import CHAIN_ID, DEPLOYER_KEY

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

AUTHORIZATION_USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

TRANSFER_CALL = bytes.fromhex("a9059cbb")


@dataclass(frozen=True)
class Paid:
    """One transfer that an authorization of the wallet made."""

    nonce: str
    tx_hash: str
    value: int


def payments(world: World, wallet: str, symbol: str = "USDC") -> list[Paid]:
    """Every transfer out of the wallet that an authorization made, with its nonce; a transaction holds one."""
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
    return [Paid(used[tx_hash], tx_hash, value) for tx_hash, value in moved if tx_hash in used]


def give_away(world: World, buyer: Buyer, amount_atomic: int, symbol: str = "USDC") -> str:
    """A plain transfer out of the wallet, which no authorization made; the transaction's hash."""
    wallet = Account.from_key(buyer.private_key)
    gas = {"gas": 100_000, "gasPrice": 3_000_000_000, "chainId": CHAIN_ID}
    giver = Account.from_key(DEPLOYER_KEY)
    _send(world, giver, {**gas, "to": wallet.address, "value": 10**18, "data": b""})
    call = TRANSFER_CALL + encode(["address", "uint256"], [giver.address, amount_atomic])
    return _send(world, wallet, {**gas, "to": world.tokens[symbol].address, "value": 0, "data": call})


def _send(world: World, account: Any, transaction: dict[str, Any]) -> str:
    count = int(world.rpc.call("eth_getTransactionCount", [account.address, "pending"]), 16)
    signed = account.sign_transaction({**transaction, "nonce": count})
    sent: str = world.rpc.call("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
    return sent


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
                expected.update(
                    dict.fromkeys(buckets(purchase.run, purchase.order.seller).values(), purchase.committed)
                )
        held = ledger.committed(asset)
        assert {k: v for k, v in held.items() if v} == {k: v for k, v in expected.items() if v}


def is_finished(purchase: Purchase) -> bool:
    """The promise kept: the body is here, or its loss is written down, or no money was taken."""
    return purchase.data is Data.DELIVERED or purchase.undelivered or purchase.money is Money.VOID


def wait_until_final(world: World) -> None:
    """Until the newest block is "safe", as policy asks: a matter of its age, not of how many are above it."""
    head = _number(world, "latest")
    world.wait_until(f"block {head} is safe", lambda: _number(world, "safe") >= head)


def _number(world: World, tag: str) -> int:
    return int(world.rpc.call("eth_getBlockByNumber", [tag])["number"], 16)
