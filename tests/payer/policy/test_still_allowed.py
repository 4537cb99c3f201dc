"""A payment of yesterday under today's policy: what was made stricter stops it, one key at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payer.policy.judge import no_longer_allowed
from payer.values.purchase import Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s

OTHER = "0x" + "33" * 20
LISTED = f'pay_to = ["{p.PAYEE}"]'

CHANGES: dict[str, tuple[str, str, str | None, str]] = {
    "nothing": ("", "", None, ""),
    "another-payee-listed-as-well": (LISTED, f'pay_to = ["{OTHER}", "{p.PAYEE}"]', None, ""),
    "its-payee-listed-in-other-letters": (LISTED, f'pay_to = ["{p.PAYEE.upper().replace("X", "x")}"]', None, ""),
    "its-payee-removed": (LISTED, f'pay_to = ["{OTHER}"]', None, "sellers.s.pay_to no longer allows"),
    "first-use-and-its-payee-recorded": (LISTED, 'pay_to = "first-use"', p.PAYEE, ""),
    "first-use-and-none-recorded": (LISTED, 'pay_to = "first-use"', None, ""),
    "first-use-and-another-recorded": (LISTED, 'pay_to = "first-use"', OTHER, "sellers.s.pay_to no longer allows"),
    "any-payee-and-another-recorded": (LISTED, 'pay_to = "any"', OTHER, ""),
    "a-call-may-cost-as-much": ('per_call = "0.10"', 'per_call = "0.020000"', None, ""),
    "a-call-may-cost-less": ('per_call = "0.10"', 'per_call = "0.019999"', None, "caps.USDC.per_call is 0.019999 USDC"),
    "the-seller-removed": ("[sellers.s]", "[sellers.t]", None, "policy no longer names [sellers.s]"),
    "the-token-replaced": (f'"{p.USDC.address}"', f'"{OTHER}"', None, "sellers.s.pay_with is USDC as policy declares"),
    "another-host": ('base_url = "http://127.0.0.1:9', 'base_url = "http://127.0.0.1:8', None, "sellers.s.base_url"),
    "another-path": ("127.0.0.1:9/v2", "127.0.0.1:9/v", None, "sellers.s.base_url no longer holds"),
    "a-shorter-path": ("127.0.0.1:9/v2", "127.0.0.1:9", None, ""),
}


@pytest.mark.parametrize("state", [p.reserved, p.exposed], ids=["reserved", "signed"])
@pytest.mark.parametrize(("before", "after", "pinned", "says"), CHANGES.values(), ids=CHANGES)
def test_a_payment_of_yesterday_meets_todays_policy(
    before: str, after: str, pinned: str | None, says: str, state: Callable[[], Purchase]
) -> None:
    policy = s.policy(s.POLICY.replace(before, after) if before else s.POLICY)
    found = no_longer_allowed(policy, state(), pinned)
    assert found.startswith(says)
    assert bool(found) == bool(says)
