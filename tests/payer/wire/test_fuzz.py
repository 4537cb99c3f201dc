"""Random input from sellers and chain servers is read within bounds, or refused."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payer.buy import quote
from payer.chain import nonces, rpc
from payer.http.gate import LONGEST_PAUSE_SECONDS, retry_after
from payer.values.chain_view import NonceState
from payer.values.errors import ChainUnreachable, QuoteUnacceptable, SellerUnreachable
from payer.wire.payment import payment_header
from payer.wire.seller_word import body_word, parse_receipt
from payer.wire.terms import Challenge, parse_402
from tests.payer import scripted as s
from tests.payer.offers import PAYEE, USDC, b64, judged, offer_of, paid, v1_answer, v1_document, v2_answer, v2_document

FEW = settings(max_examples=80, deadline=None)
DEEP = b"[" * 100_000
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DATES = st.from_regex(
    r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{0,12} [0-9:]{0,12} ([A-Z+-][A-Z0-9]{0,6})?", fullmatch=True
)


@pytest.mark.parametrize("status", [400, 200, 503])
@pytest.mark.parametrize(
    "body",
    [DEEP[:4096], DEEP, b'{"message":' * 900, b'{"message":"' + b"x" * 5000 + b'"}'],
    ids=["deep", "deeper", "objects", "long"],
)
def test_an_answer_that_is_no_terms_is_refused_whatever_it_holds(tmp_path: Path, status: int, body: bytes) -> None:
    chain = s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED))
    ours = s.context(tmp_path, s.ScriptedSeller([s.answer(status, body)]), chain)
    with pytest.raises(SellerUnreachable if status == 503 else QuoteUnacceptable):
        asyncio.run(quote.quote(ours, [s.order()]))


@FEW
@given(st.binary(max_size=300) | VALUES.map(lambda value: json.dumps({"message": value}).encode()))
def test_a_sellers_message_is_quoted_in_one_bounded_line(body: bytes) -> None:
    said = body_word(body)
    assert said.isprintable()
    assert len(said) <= 202


@FEW
@given(st.text(max_size=40) | DATES | st.integers().map(str))
def test_a_pause_asked_for_is_read_within_its_bounds_or_not_at_all(text: str) -> None:
    seconds = retry_after(text, datetime(2026, 11, 22, tzinfo=UTC))
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE_SECONDS


WORDS = st.lists(st.integers(0, 200) | st.integers(0, 2**256 - 1), max_size=14)


@FEW
@given(
    WORDS.map(lambda words: "0x" + "".join(f"{word:064x}" for word in words)) | st.text(max_size=80), st.integers(1, 3)
)
def test_a_batch_of_reads_is_all_words_or_refused(answer: str, count: int) -> None:
    """I9."""
    try:
        words = nonces.decode_multicall(answer, count)
    except ChainUnreachable:
        return
    assert len(words) == count
    assert all(len(word) == 66 and int(word, 16) >= 0 for word in words)


ENTRIES = st.fixed_dictionaries(
    {}, optional={"id": st.integers(-1, 3) | VALUES, "result": VALUES, "error": VALUES, "jsonrpc": VALUES}
)


@FEW
@given(
    st.binary(max_size=200) | (st.lists(ENTRIES, max_size=3) | ENTRIES | VALUES).map(lambda v: json.dumps(v).encode())
)
def test_a_batch_of_answers_is_one_for_each_call_or_refused(raw: bytes) -> None:
    """I9."""
    try:
        found: list[Any] = [rpc._result(entry, "eth_call") for entry in rpc._sorted(raw, 2)]
    except (ChainUnreachable, rpc.RpcCallFailed):
        return
    assert len(found) == 2


TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "scheme",
    "network",
    "amount",
    "maxAmountRequired",
    "asset",
    "payTo",
    "maxTimeoutSeconds",
    "extra",
    "resource",
)
CHANGES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3)
TOP = st.dictionaries(st.sampled_from(["x402Version", "accepts", "resource", "extensions", "error"]), JSON, max_size=2)


def _printable(refusal: QuoteUnacceptable) -> None:
    assert refusal.what.isprintable()


def _outcome(answer: tuple[int, dict[str, str], bytes]) -> Challenge | None:
    try:
        return parse_402(*answer)
    except QuoteUnacceptable as refusal:
        return _printable(refusal)


@settings(max_examples=300, deadline=None)
@given(status=st.sampled_from([402, 402, 402, 200]), header=st.none() | TEXTS | st.binary().map(b64), body=st.binary())
def test_any_bytes_are_terms_or_a_refusal(status: int, header: str | None, body: bytes) -> None:
    _outcome((status, {} if header is None else {"payment-required": header}, body))


@settings(max_examples=400, deadline=None)
@given(version=st.sampled_from([1, 2]), changes=CHANGES, top=TOP)
def test_any_change_to_good_terms_is_judged_or_refused(
    version: int, changes: dict[str, Any], top: dict[str, Any]
) -> None:
    """I6: whatever a seller writes, the outcome is terms inside policy or QuoteUnacceptable, and nothing else."""
    document = (v1_document if version == 1 else v2_document)({**offer_of(version), **changes})
    challenge = _outcome((v1_answer if version == 1 else v2_answer)({**document, **top}))
    if challenge is None:
        return
    try:
        terms = judged(challenge)
    except QuoteUnacceptable as refusal:
        return _printable(refusal)
    assert (terms.pay_to, terms.asset.address) == (PAYEE, USDC)
    assert 1 <= terms.amount <= 100_000
    authorization = paid(terms)
    assert (
        json.loads(base64.b64decode(payment_header(terms, authorization, "0x00")[1]))["payload"]["authorization"]["to"]
        == PAYEE
    )


@settings(max_examples=300, deadline=None)
@given(TEXTS | st.binary().map(b64) | JSON.map(b64))
def test_any_receipt_header_is_read_without_an_exception(header: str) -> None:
    receipt = parse_receipt({"payment-response": header})
    assert receipt is not None
    assert receipt.malformed or receipt.success in (True, False)
