"""The one place that signs, against the vectors, eth-account and the official SDK."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st
from x402.mechanisms.evm.eip712 import hash_eip3009_authorization
from x402.mechanisms.evm.types import ExactEIP3009Authorization
from x402.mechanisms.evm.verify import verify_eoa_signature

from payer.values.money import Asset
from payer.values.terms import Authorization
from payer.wallet.eip3009 import MAX_WINDOW_SECONDS, Wallet, digest, domain_separator, recover
from payer.wire.addresses import checksum
from tests.paths import VECTORS as VECTORS_FOLDER

VECTORS = json.loads((VECTORS_FOLDER / "eip3009.json").read_text())
BY_ID = {vector["id"]: vector for vector in VECTORS["vectors"]}
TRANSFERS = [vector for vector in VECTORS["vectors"] if vector["primary_type"] == "TransferWithAuthorization"]
SIGNED_BY_US = [vector for vector in TRANSFERS if vector["private_key"]]
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


def authorization_of(vector: dict[str, Any]) -> Authorization:
    domain, message = vector["domain"], vector["message"]
    return Authorization(
        asset=Asset("USDC", domain["chainId"], domain["verifyingContract"], domain["name"], domain["version"], 6),
        payer=message["from"],
        pay_to=message["to"],
        value=int(message["value"]),
        valid_after=int(message["validAfter"]),
        valid_before=int(message["validBefore"]),
        nonce=message["nonce"],
    )


def changed(vector: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(vector)
    for part in ("domain", "message"):
        merged[part].update(change.get(part, {}))
    return merged


def ids(vector: dict[str, Any]) -> str:
    return str(vector["id"])


@pytest.mark.parametrize("vector", TRANSFERS, ids=ids)
def test_the_digest_and_the_domain_are_those_of_the_vector(vector: dict[str, Any]) -> None:
    authorization = authorization_of(vector)
    assert "0x" + domain_separator(authorization.asset).hex() == vector["domain_separator"]
    assert "0x" + digest(authorization).hex() == vector["digest"]


@pytest.mark.parametrize("vector", TRANSFERS, ids=ids)
def test_a_published_signature_recovers_its_signer(vector: dict[str, Any]) -> None:
    """V4 is the x402 specification's own."""
    assert recover(digest(authorization_of(vector)), vector["signature"]) == vector["expected_signer"]


def test_the_wallet_signs_the_vector_byte_for_byte() -> None:
    vector = BY_ID["V1"]
    assert Wallet(bytes.fromhex(vector["private_key"][2:])).sign(authorization_of(vector)) == vector["signature"]


@pytest.mark.parametrize("vector", [v for v in SIGNED_BY_US if v["id"] != "V1"], ids=ids)
def test_an_authorization_that_lives_too_long_is_never_signed(vector: dict[str, Any]) -> None:
    """I6: V2 and V6 hash rightly, but a window of years is refused by the signer itself."""
    wallet = Wallet(bytes.fromhex(vector["private_key"][2:]))
    with pytest.raises(ValueError, match="window"):
        wallet.sign(authorization_of(vector))


@pytest.mark.parametrize("negative", [n for n in VECTORS["negative"] if n["id"] != "N6"], ids=ids)
def test_a_signature_for_something_else_is_not_the_payers(negative: dict[str, Any]) -> None:
    authorization = authorization_of(changed(BY_ID[negative["from"]], negative["changed"]))
    signer = recover(digest(authorization), negative["signature"])
    assert signer == negative["recovers_to"] != negative["must_not_be_accepted_for"]


def test_a_malleated_twin_recovers_nobody() -> None:
    """N6: plain ecrecover would name the payer; tokens refuse a high s, and so do we."""
    negative = next(n for n in VECTORS["negative"] if n["id"] == "N6")
    with pytest.raises(ValueError, match="high"):
        recover(digest(authorization_of(BY_ID[negative["from"]])), negative["signature"])


GOOD = replace(authorization_of(BY_ID["V1"]), valid_before=1740672089 + 300)
SIGNER = Wallet(b"\x11" * 32)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"payer": "0x" + "22" * 20}, "payer", id="another payer"),
        pytest.param({"pay_to": "0x" + "00" * 20}, "buys nothing", id="zero payee"),
        pytest.param({"pay_to": GOOD.payer}, "buys nothing", id="ourselves"),
        pytest.param({"pay_to": GOOD.asset.address.lower()}, "buys nothing", id="the token"),
        pytest.param({"value": 0}, "value", id="nothing"),
        pytest.param({"value": -1}, "value", id="less than nothing"),
        pytest.param({"value": 2**256}, "value", id="more than uint256"),
        pytest.param({"valid_after": -1}, "window", id="before the epoch"),
        pytest.param({"valid_before": GOOD.valid_after}, "window", id="empty window"),
        pytest.param({"valid_before": GOOD.valid_after + MAX_WINDOW_SECONDS + 1}, "window", id="long window"),
        pytest.param({"nonce": "0x12"}, "nonce", id="short nonce"),
    ],
)
def test_the_signer_refuses_what_no_policy_allows(change: dict[str, Any], why: str) -> None:
    """I6: even a mistaken caller gets no such signature."""
    with pytest.raises(ValueError, match=why):
        SIGNER.sign(replace(GOOD, **change))


AUTHORIZATIONS = st.builds(
    Authorization,
    asset=st.builds(
        Asset,
        symbol=st.just("T"),
        chain_id=st.integers(1, 2**53),
        address=st.binary(min_size=20, max_size=20).map(lambda raw: checksum("0x" + raw.hex())),
        eip712_name=st.text(max_size=40).filter(lambda text: text.isprintable()),
        eip712_version=st.sampled_from(["1", "2"]),
        decimals=st.just(6),
    ),
    payer=st.just(SIGNER.address),
    pay_to=st.binary(min_size=20, max_size=20).filter(any).map(lambda raw: checksum("0x" + raw.hex())),
    value=st.integers(1, 2**256 - 1),
    valid_after=st.just(1_800_000_000),
    valid_before=st.integers(1_800_000_001, 1_800_000_000 + MAX_WINDOW_SECONDS),
    nonce=st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
).filter(lambda authorization: authorization.pay_to != authorization.asset.address)


def _typed_data(authorization: Authorization) -> dict[str, Any]:
    kinds = {"from": "address", "to": "address", "value": "uint256"}
    kinds |= {"validAfter": "uint256", "validBefore": "uint256", "nonce": "bytes32"}
    asset = authorization.asset
    return {
        "domain": {
            "name": asset.eip712_name,
            "version": asset.eip712_version,
            "chainId": asset.chain_id,
            "verifyingContract": asset.address,
        },
        "types": {"TransferWithAuthorization": [{"name": name, "type": kind} for name, kind in kinds.items()]},
        "primaryType": "TransferWithAuthorization",
        "message": {
            "from": authorization.payer,
            "to": authorization.pay_to,
            "value": authorization.value,
            "validAfter": authorization.valid_after,
            "validBefore": authorization.valid_before,
            "nonce": bytes.fromhex(authorization.nonce[2:]),
        },
    }


@settings(max_examples=60, deadline=None)
@given(AUTHORIZATIONS)
def test_signatures_are_those_of_eth_account_and_pass_the_official_verifier(authorization: Authorization) -> None:
    """Two independent encoders of EIP-712 agree with ours, and s is low."""
    signature = SIGNER.sign(authorization)
    theirs = Account.sign_message(encode_typed_data(full_message=_typed_data(authorization)), b"\x11" * 32)
    assert signature == "0x" + theirs.signature.hex().removeprefix("0x")

    asset = authorization.asset
    official = hash_eip3009_authorization(
        ExactEIP3009Authorization(
            from_address=authorization.payer,
            to=authorization.pay_to,
            value=str(authorization.value),
            valid_after=str(authorization.valid_after),
            valid_before=str(authorization.valid_before),
            nonce=authorization.nonce,
        ),
        asset.chain_id,
        asset.address,
        asset.eip712_name,
        asset.eip712_version,
    )
    assert official == digest(authorization)
    assert verify_eoa_signature(official, bytes.fromhex(signature[2:]), authorization.payer)
    assert int(signature[66:130], 16) <= HALF_ORDER


def test_the_same_authorization_has_the_same_signature_in_every_process() -> None:
    """The ledger keeps no signatures: a resend signs again and must be byte-identical."""
    program = (
        f"from payer.wallet.eip3009 import Asset, Authorization, Wallet;print(Wallet(b'\\x11' * 32).sign({GOOD!r}))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == SIGNER.sign(GOOD) == Wallet(b"\x11" * 32).sign(GOOD)


@pytest.mark.parametrize("signature", ["0x", "0x12", "0x" + "00" * 64 + "1a", "0x" + "11" * 66])
def test_a_malformed_signature_recovers_nobody(signature: str) -> None:
    with pytest.raises(ValueError, match="65 bytes"):
        recover(digest(GOOD), signature)


def test_a_wallet_shows_its_address_only() -> None:
    """I10."""
    key = "11" * 32
    for text in (repr(SIGNER), str(SIGNER), f"{SIGNER!r:>60}"):
        assert key not in text
        assert SIGNER.address in text
    assert not hasattr(SIGNER, "__dict__")


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_wallet_never_leaves_its_process(leave: Any) -> None:
    """I10: no task queue, cache or result store can take it along."""
    with pytest.raises(TypeError, match="never leaves"):
        leave(SIGNER)


def test_the_nonce_secret_is_neither_the_key_nor_the_address() -> None:
    assert len(SIGNER.nonce_secret) == 32
    assert SIGNER.nonce_secret != b"\x11" * 32
    assert SIGNER.nonce_secret != Wallet(b"\x12" * 32).nonce_secret
    assert SIGNER.nonce_secret == Wallet(b"\x11" * 32).nonce_secret


def _best(run: Any, rounds: int = 5, times: int = 20) -> float:
    def once() -> float:
        started = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - started) / times

    return min(once() for _ in range(rounds))


def test_signing_costs_a_fraction_of_the_usual_way() -> None:
    """Against eth-account in the same run, so that a slow machine slows both."""
    ours = _best(lambda: SIGNER.sign(GOOD))
    usual = _best(lambda: Account.sign_message(encode_typed_data(full_message=_typed_data(GOOD)), b"\x11" * 32))
    assert ours < usual / 2


EDGE = (
    *("policy.file", "policy.judge", "wire.terms", "wire.payment", "wire.seller_word"),
    *("wallet.eip3009", "wallet.load", "wallet.sign", "http.transport", "chain.reader", "values.clock"),
)
HEAVY = ("httpx", "eth_account", "coincurve", "sqlalchemy", "web3", "x402", "Crypto")


@pytest.mark.parametrize("module", EDGE)
def test_importing_the_edge_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, payer.{module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
