"""Limits on presenting a payment and claiming its body, and the counts of one call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """AttemptLimits on attempts. Nothing is presented within `margin` seconds of validBefore.

    `presents` is per call of `buy`; `claims` is per purchase, before it becomes undelivered. Each entry of `later`
    allows one more claim of an undelivered purchase, due that many seconds after it was settled; a call of `buy` makes
    one of them.
    """

    margin: int = 6
    presents: int = 3
    claims: int = 3
    later: tuple[int, ...] = (600, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """Counts of one call of `buy`: authorizations presented, bodies claimed."""

    presents: int = 0
    claims: int = 0
