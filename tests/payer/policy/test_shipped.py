"""The policy file at the top of the repository loads, and says what the design says."""

from __future__ import annotations

from payer.policy.file import load_policy
from tests.paths import ROOT

SHIPPED = ROOT / "policy.toml"


def test_the_shipped_policy_loads_and_admits_every_known_price_but_not_its_double() -> None:
    """Token Metrics' dearest known tier is 0.068 USDC a call."""
    policy = load_policy(SHIPPED)
    assert (policy.chain_id, policy.finality, policy.asset_for("tokenmetrics").symbol) == (8453, "safe", "USDC")
    assert 68_000 <= policy.caps["USDC"].per_call < 136_000
