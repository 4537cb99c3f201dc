"""The token keeps EIP-3009 as USDC does: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from sandbox.chain.rpc import NodeError
from sandbox.chain.token import TMAI, TokenContract
from sandbox.facilitator import Relayer
from sandbox.keys import PAY_TO, RELAYER_KEY, THIEF, WALLET_KEY
from tests.paths import VECTORS as VECTORS_FOLDER
from tests.sandbox.conftest import Node

VECTORS = json.loads((VECTORS_FOLDER / "eip3009.json").read_text())["vectors"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
TRANSFER_KIND = "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce"
KINDS = {
    "TransferWithAuthorization": [
        dict(zip(("type", "name"), part.split(), strict=True)) for part in TRANSFER_KIND.split(",")
    ]
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("token") / "chain.db")
    yield made
    made.chain.close()


def signed(node: Node, nonce: int, *, token: TokenContract | None = None, **changes: Any) -> tuple[dict[str, str], str]:
    """An authorization of the wallet for 1 USDC to the seller, and its signature; `domain` changes its domain."""
    domain = {**(token or node.token).domain, **changes.pop("domain", {})}
    now = int(node.clock.time())
    message: dict[str, Any] = {
        "from": node.wallet,
        "to": PAY_TO,
        "value": 10**6,
        "validAfter": now - 60,
        "validBefore": now + 60,
        "nonce": nonce.to_bytes(32, "big"),
        **changes,
    }
    signature = Account.from_key(WALLET_KEY).sign_typed_data(domain, KINDS, message).signature
    wire = {name: str(part) for name, part in message.items() if name != "nonce"}
    return wire | {"nonce": "0x" + message["nonce"].hex()}, "0x" + bytes(signature).hex()


def refusal(node: Node, authorization: dict[str, str], signature: str, token: TokenContract | None = None) -> str:
    """Why the token refuses, asked by eth_call so that nothing is mined."""
    with pytest.raises(NodeError) as caught:
        _simulate(node, authorization, signature, token or node.token)
    return caught.value.message.removeprefix("execution reverted: ")


def _simulate(node: Node, authorization: dict[str, str], signature: str, token: TokenContract) -> None:
    class Caller:
        """Stands for the owner's sender: asks instead of sending."""

        def send(self, to: str, data: bytes) -> dict[str, Any]:
            return {"answer": node.rpc.call("eth_call", [{"to": to, "data": "0x" + data.hex()}, "latest"])}

    token.submit(Caller(), authorization, signature)  # type: ignore[arg-type]


def test_typehashes_are_those_of_the_vectors(shared: Node) -> None:
    for name, kind in (("TRANSFER_WITH_AUTHORIZATION_TYPEHASH", "TransferWithAuthorization"),):
        selector = "0x" + keccak(text=f"{name}()")[:4].hex()
        onchain = shared.rpc.call("eth_call", [{"to": shared.token.address, "data": selector}, "latest"])
        assert {v["type_hash"] for v in VECTORS if v["primary_type"] == kind} == {onchain}


def test_the_domain_separator_is_that_of_name_version_chain_and_address(shared: Node) -> None:
    from eth_account.messages import encode_typed_data

    onchain = shared.rpc.call("eth_call", [{"to": shared.token.address, "data": "0x3644e515"}, "latest"])
    message = {"from": THIEF, "to": THIEF, "value": 0, "validAfter": 0, "validBefore": 0, "nonce": b"\0" * 32}
    assert onchain == "0x" + encode_typed_data(shared.token.domain, KINDS, message).header.hex()


def test_a_transfer_moves_the_value_and_marks_the_nonce_with_both_logs(shared: Node) -> None:
    before = shared.token.balance(PAY_TO)
    authorization, signature = signed(shared, 1)
    receipt = shared.token.submit(shared.owner, authorization, signature)
    assert shared.token.balance(PAY_TO) == before + 10**6
    assert shared.token.used(shared.wallet, authorization["nonce"])
    assert [log["topics"][0] for log in receipt["logs"]] == [
        USED,
        "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
    ]
    assert receipt["logs"][0]["topics"][2] == authorization["nonce"]


def test_the_split_signature_overload_settles_too(shared: Node) -> None:
    from x402.mechanisms.evm.constants import TRANSFER_WITH_AUTHORIZATION_VRS_ABI

    authorization, signature = signed(shared, 2)
    raw = bytes.fromhex(signature[2:])
    relayer = Relayer(RELAYER_KEY, shared.rpc, lambda: 1.0)
    numbers = [int(authorization[name]) for name in ("value", "validAfter", "validBefore")]
    nonce = bytes.fromhex(authorization["nonce"][2:])
    tx = relayer.write_contract(
        shared.token.address,
        TRANSFER_WITH_AUTHORIZATION_VRS_ABI,
        "transferWithAuthorization",
        authorization["from"],
        authorization["to"],
        *numbers,
        nonce,
        raw[64],
        raw[:32],
        raw[32:64],
    )
    assert relayer.wait_for_transaction_receipt(tx).status == 1


def test_a_used_nonce_is_refused_even_for_another_value(shared: Node) -> None:
    shared.token.submit(shared.owner, *signed(shared, 3))
    assert refusal(shared, *signed(shared, 3)) == "FiatTokenV2: authorization is used or canceled"
    assert refusal(shared, *signed(shared, 3, value=5)) == "FiatTokenV2: authorization is used or canceled"


def test_a_cancelled_nonce_reads_as_used_and_never_settles(shared: Node) -> None:
    authorization, signature = signed(shared, 4)
    receipt = shared.token.cancel(shared.owner, WALLET_KEY, authorization["nonce"])
    assert [log["topics"][0] for log in receipt["logs"]] == [CANCELED]
    assert shared.token.used(shared.wallet, authorization["nonce"])
    assert refusal(shared, authorization, signature) == "FiatTokenV2: authorization is used or canceled"


@pytest.mark.parametrize(
    ("bound", "by", "text"),
    [
        ("validAfter", 0, "FiatTokenV2: authorization is not yet valid"),
        ("validAfter", -1, None),
        ("validBefore", 0, "FiatTokenV2: authorization is expired"),
        ("validBefore", 1, None),
    ],
)
def test_the_window_is_strict_at_both_ends(shared: Node, bound: str, by: int, text: str | None) -> None:
    at = shared.chain.head.time + 100
    shared.rpc.call("evm_setNextBlockTimestamp", [at])
    try:
        wide = {"validAfter": at - 50, "validBefore": at + 50, bound: at + by}
        authorization, signature = signed(shared, 5, **wide)
        if text is None:
            _simulate(shared, authorization, signature, shared.token)
        else:
            assert refusal(shared, authorization, signature) == text
    finally:
        shared.chain.next_time = None


@pytest.mark.parametrize(
    "domain",
    [{"name": "USDC"}, {"version": "1"}, {"chainId": 8453}, {"verifyingContract": THIEF}],
    ids=lambda d: next(iter(d)),
)
def test_a_signature_under_another_domain_is_refused(shared: Node, domain: dict[str, Any]) -> None:
    assert refusal(shared, *signed(shared, 6, domain=domain)) == "FiatTokenV2: invalid signature"


def test_a_signature_for_another_payee_or_value_is_refused(shared: Node) -> None:
    authorization, signature = signed(shared, 7)
    assert refusal(shared, {**authorization, "to": THIEF}, signature) == "FiatTokenV2: invalid signature"
    assert refusal(shared, {**authorization, "value": "1"}, signature) == "FiatTokenV2: invalid signature"


def test_the_malleable_twin_of_a_signature_is_refused(shared: Node) -> None:
    authorization, signature = signed(shared, 8)
    raw = bytes.fromhex(signature[2:])
    high = ORDER - int.from_bytes(raw[32:64], "big")
    twin = "0x" + (raw[:32] + high.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()
    assert refusal(shared, authorization, twin) == "ECRecover: invalid signature 's' value"


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("0x", "ECRecover: invalid signature length"),
        ("0x" + "11" * 64, "ECRecover: invalid signature length"),
        ("0x" + "11" * 64 + "1d", "ECRecover: invalid signature 'v' value"),
        ("0x" + "11" * 64 + "1b", "FiatTokenV2: invalid signature"),
    ],
)
def test_a_malformed_signature_is_refused(shared: Node, signature: str, text: str) -> None:
    assert refusal(shared, signed(shared, 9)[0], signature) == text


def test_more_than_the_balance_is_refused(shared: Node) -> None:
    assert refusal(shared, *signed(shared, 10, value=10**13)) == "ERC20: transfer amount exceeds balance"


def test_a_blocked_or_paused_token_moves_nothing(node: Node) -> None:
    def owner(call: str, *words: int) -> None:
        node.owner.send(node.token.address, keccak(text=call)[:4] + b"".join(w.to_bytes(32, "big") for w in words))

    wallet = int(node.wallet, 16)
    owner("setBlacklisted(address,bool)", wallet, 1)
    assert refusal(node, *signed(node, 1)) == "Blacklistable: account is blacklisted"
    owner("setBlacklisted(address,bool)", wallet, 0)
    owner("setPaused(bool)", 1)
    assert refusal(node, *signed(node, 1)) == "Pausable: paused"
    owner("setPaused(bool)", 0)
    node.token.submit(node.owner, *signed(node, 1))


def test_only_the_owner_mints(shared: Node) -> None:
    data = "0x40c10f19" + "00" * 12 + THIEF[2:] + f"{7:064x}"
    with pytest.raises(NodeError, match="caller is not the owner"):
        shared.rpc.call("eth_call", [{"from": THIEF, "to": shared.token.address, "data": data}, "latest"])


def test_a_contract_pays_if_it_says_that_the_signature_is_its_own(shared: Node) -> None:
    """EIP-1271: this one says yes to everything."""
    says_yes = bytes.fromhex("602780600a5f395ff3" + "00") + bytes.fromhex("7f1626ba7e" + "00" * 28 + "5f5260205ff3")
    wallet = shared.owner.send(None, says_yes)["contractAddress"]
    shared.token.mint(shared.owner, wallet, 2 * 10**6)
    authorization, signature = signed(shared, 11)
    shared.token.submit(shared.owner, {**authorization, "from": wallet}, signature)
    assert shared.token.balance(wallet) == 10**6


def test_a_second_token_of_the_same_source_has_its_own_name_decimals_and_nonces(shared: Node) -> None:
    other = TokenContract.deploy(shared.rpc, shared.owner, TMAI)
    other.mint(shared.owner, shared.wallet, 10**18)
    decimals = shared.rpc.call("eth_call", [{"to": other.address, "data": "0x313ce567"}, "latest"])
    assert int(decimals, 16) == 18
    shared.token.submit(shared.owner, *signed(shared, 12))
    assert refusal(shared, *signed(shared, 12), token=other) == "FiatTokenV2: invalid signature"
    other.submit(shared.owner, *signed(shared, 12, token=other))
    assert other.transfers(shared.wallet)[0]["value"] == 10**6
