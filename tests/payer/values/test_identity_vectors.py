"""Identity, held by vectors: an upgrade that moved a key or a nonce would pay for held pieces a second time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payer.values.identifiers import canonical, nonce, purchase_id, purchase_key
from payer.values.money import Asset
from payer.values.request import Request
from payer.values.terms import Authorization
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import payment_identifier
from tests.paths import VECTORS

DOCUMENT = json.loads((VECTORS / "identity.json").read_text())
ASSET = Asset(**DOCUMENT["asset"])
WALLET = Wallet(bytes.fromhex(DOCUMENT["wallet_key"].removeprefix("0x")))

each_case = pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["says"])


def request_of(case: dict[str, Any]) -> Request:
    made = case["request"]
    params = tuple((name, value) for name, value in made["params"])
    return Request(made["method"], made["url"], params, made["body"].encode())


def test_the_nonce_secret_of_a_key_never_moves() -> None:
    assert WALLET.nonce_secret.hex() == DOCUMENT["nonce_secret"]
    assert WALLET.address == DOCUMENT["payer"]


@each_case
def test_the_canonical_form_never_moves(case: dict[str, Any]) -> None:
    assert canonical(request_of(case), case["edition"]).decode() == case["canonical"]


@each_case
def test_a_purchases_key_and_id_never_move(case: dict[str, Any]) -> None:
    key = purchase_key(request_of(case), case["edition"])
    assert key == case["key"]
    assert purchase_id(key, case["generation"]) == case["id"]


@each_case
def test_a_purchases_nonce_never_moves(case: dict[str, Any]) -> None:
    assert nonce(WALLET.nonce_secret, ASSET, case["key"], case["generation"]) == case["nonce"]


@each_case
def test_a_payment_identifier_never_moves(case: dict[str, Any]) -> None:
    signed = Authorization(
        asset=ASSET,
        payer=WALLET.address,
        nonce=case["nonce"],
        **{name: DOCUMENT[name] for name in ("pay_to", "value", "valid_after", "valid_before")},
    )
    assert payment_identifier(WALLET.nonce_secret, signed, DOCUMENT["accepted"]) == case["payment_identifier"]


def test_the_order_of_parameters_and_the_spelling_of_host_and_method_name_the_same_piece() -> None:
    first, sorted_params, other_spelling, other_edition = (case["key"] for case in DOCUMENT["cases"][:4])
    assert first == sorted_params == other_spelling != other_edition
