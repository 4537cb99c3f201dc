"""Reviewed limits: held as values (rules.py), read from policy.toml (policy_file.py), applied to terms (judge.py)."""

from tollbook.payer.judge import draft, judge
from tollbook.payer.policy_file import load_policy, parse_policy
from tollbook.payer.rules import Caps, Policy, SellerPolicy

__all__ = ["Caps", "Policy", "SellerPolicy", "draft", "judge", "load_policy", "parse_policy"]
