"""Findings about the set-up name what they are about."""

from __future__ import annotations

from tasks.health.check import failed_checks
from tasks.health.finding import Check, Severity


def test_a_sellers_trouble_names_the_seller_once() -> None:
    """Two sellers that ask too much used to be two equal lines."""
    asks = Check("seller tokenmetrics", False, "amount: the seller offers 0.34 USDC", "raise it", 3)
    gone = Check("seller heurist", False, "heurist did not answer", "try again", 6)
    fine = Check("seller tavily", True, "inside policy")
    found = list(failed_checks([asks, gone, fine]))
    assert [finding.text for finding in found] == [
        "tokenmetrics: amount: the seller offers 0.34 USDC",
        "heurist did not answer",
    ]
    assert {finding.severity for finding in found} == {Severity.CRITICAL}
