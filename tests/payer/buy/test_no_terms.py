"""Answers to an unpaid request that are no 402: whoever reads the error knows who has to correct what."""

from __future__ import annotations

import pytest

from payer.buy.quote import no_terms
from payer.http.exchange import Answer
from payer.values.errors import NotOffered, PayerError, QuoteUnacceptable, SellerUnreachable
from tests.payer import purchases as p


@pytest.mark.parametrize(
    ("status", "kind", "code", "advice"),
    [
        (200, QuoteUnacceptable, 3, "declare the dataset as free"),
        (301, QuoteUnacceptable, 3, "base_url"),
        (400, NotOffered, 2, "parameters"),
        (401, NotOffered, 2, "x402 needs no account"),
        (403, NotOffered, 2, "may block a country"),
        (404, NotOffered, 2, "the dataset's path"),
        (405, NotOffered, 2, "the dataset's path"),
        (408, SellerUnreachable, 6, ""),
        (418, NotOffered, 2, "ask the seller what this answer means"),
        (422, NotOffered, 2, "parameters"),
        (429, SellerUnreachable, 6, ""),
        (451, NotOffered, 2, "may block a country"),
        (500, SellerUnreachable, 6, ""),
        (503, SellerUnreachable, 6, ""),
    ],
)
def test_every_status_has_its_error_its_code_and_its_advice(
    status: int, kind: type[PayerError], code: int, advice: str
) -> None:
    error = no_terms(p.order(), Answer(status, {}, b'{"error": "because"}', 0.1))
    assert (type(error), error.exit_code) == (kind, code)
    assert advice in error.fix
    if status != 200:
        assert str(status) in error.what
        assert "because" in error.what
