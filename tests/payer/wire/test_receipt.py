"""Receipts: evidence of any answer, malformed or not, and never an exception."""

from __future__ import annotations

import pytest

from payer.wire.seller_word import Receipt, parse_receipt
from payer.wire.strict_json import HEADER_LIMIT
from tests.payer.offers import (
    PAYEE,
    b64,
)

RECEIPT = {"success": True, "transaction": "0x" + "ab" * 32, "network": "eip155:8453", "payer": PAYEE}


def test_no_header_is_no_receipt() -> None:
    assert parse_receipt({"content-type": "application/json"}) is None


@pytest.mark.parametrize("name", ["payment-response", "PAYMENT-RESPONSE", "X-PAYMENT-RESPONSE"])
def test_both_versions_headers_are_read(name: str) -> None:
    receipt = parse_receipt({name: b64(RECEIPT)})
    assert receipt is not None
    assert (receipt.success, receipt.transaction, receipt.malformed) == (True, RECEIPT["transaction"], False)


def test_a_failure_keeps_its_reason_and_no_transaction() -> None:
    failed = {"success": False, "errorReason": "nonce_already_used", "transaction": "", "network": "eip155:8453"}
    receipt = parse_receipt({"payment-response": b64(failed)})
    assert receipt == Receipt(success=False, network="eip155:8453", reason="nonce_already_used")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="empty"),
        pytest.param("!!", id="not base64"),
        pytest.param(b64([RECEIPT]), id="a list"),
        pytest.param(b64({**RECEIPT, "success": "true"}), id="success as text"),
        pytest.param(b64({**RECEIPT, "success": 1}), id="success as a number"),
        pytest.param(b64({**RECEIPT, "transaction": "0x12"}), id="short hash"),
        pytest.param(b64({**RECEIPT, "transaction": 7}), id="hash a number"),
        pytest.param(b64({**RECEIPT, "payer": ["x"]}), id="payer a list"),
        pytest.param(b64({"transaction": RECEIPT["transaction"]}), id="no success"),
        pytest.param(b64({**RECEIPT, "pad": "x" * HEADER_LIMIT}), id="huge"),
        pytest.param(b64(b'{"success":true,"success":false}'), id="duplicate key"),
    ],
)
def test_a_malformed_receipt_claims_nothing(header: str) -> None:
    receipt = parse_receipt({"PAYMENT-RESPONSE": header})
    assert receipt is not None
    assert (receipt.success, receipt.transaction, receipt.malformed) == (False, None, True)
