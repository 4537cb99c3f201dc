"""The caps that init writes: those that were named, and the others made to fit them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from payer.values.errors import Misconfigured

CAPS = ("per_call", "per_run", "per_flow_day", "per_day", "per_month")
"""From the narrowest to the widest; amounts are text in the asset."""


def fitted(current: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """Return all caps: the named ones as they are, and of the others those that they contradict moved to fit.

    A narrow cap that would never be met, because a wider one that was named is lower, becomes that one; a wide cap
    below a narrower one that was named is raised to it. Raises Misconfigured for named ones that contradict each other.
    """
    caps = {**current, **named}
    for wide, cap in enumerate(CAPS):
        for narrow in CAPS[:wide]:
            if _amount(narrow, caps[narrow]) <= _amount(cap, caps[cap]):
                continue
            if narrow in named and cap in named:
                raise Misconfigured(
                    f"{narrow} = {caps[narrow]} is above {cap} = {caps[cap]}, and would never be met",
                    advice=f"name a lower {_option(narrow)}, or a higher {_option(cap)}",
                )
            if cap in named:
                caps[narrow] = caps[cap]
            else:
                caps[cap] = caps[narrow]
    return caps


def _option(cap: str) -> str:
    return "--" + cap.replace("_", "-")


def _amount(cap: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise Misconfigured(
            f"{cap} is {text[:40]!r}, and no amount", advice=f'write {_option(cap)} as an amount such as "0.50"'
        )
    return amount
