"""Compare our clock with others', and say when a payment signed now would not be valid. Pure functions, and their data.

An authorization is valid from `clock_skew_seconds` before our now until `validity_seconds` after it (EIP-3009), by the
clocks of the seller's facilitator and of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from payer.policy.rules import LOCAL_CHAIN, Policy
from payer.values.errors import Misconfigured

NOTED_SECONDS = 5
"""From here on a run tells how far off the clock is."""

CLOCK_ADVICE = (
    "set this machine's clock (NTP); if the other one is wrong, raise payment.clock_skew_seconds in the policy"
)

CHAIN_SERVER = ""
"""The name of the chain's RPC server among readings; no seller has it."""

_CHAIN_SERVERS = "the chain server's"
_SETTLE_SECONDS = 6
"""Facilitators refuse an authorization that ends sooner."""


@dataclass(frozen=True, slots=True)
class ClockWindow:
    """Seconds that our clock may be ahead of, and behind, the clocks that judge an authorization.

    `head_counts` is False on a local chain, whose blocks stand still while nobody sends.
    """

    ahead: int
    behind: int
    head_counts: bool = True


def check_offset(policy: Policy, offset: float) -> None:
    """Raise Misconfigured for a clock that is moved where authorizations are worth money."""
    if offset and not policy.is_local:
        raise Misconfigured(
            f"TOLLBOOK_CLOCK_OFFSET is set on chain {policy.chain_id}",
            advice=f"unset it: only a sandbox (chain id {LOCAL_CHAIN}) may live in another time",
        )


def window_of(policy: Policy, max_timeout: int) -> ClockWindow:
    """The window of what policy signs for terms with this `maxTimeoutSeconds`."""
    behind = min(max_timeout, policy.validity_seconds) - _SETTLE_SECONDS
    return ClockWindow(max(1, policy.clock_skew_seconds), max(1, behind), head_counts=not policy.is_local)


def seconds_off(now: float, date: float, elapsed: float = 0.0) -> float:
    """Seconds by which our clock is ahead of another for certain (negative: behind); 0 where the two may agree.

    `date` has whole seconds, and was written within the `elapsed` seconds before `now`.
    """
    earliest = now - elapsed
    if date > now:
        return now - date
    return max(0.0, earliest - (date + 1))


def _fault(off: float | None, head_off: float | None, window: ClockWindow, whose: str = "the seller's") -> str:
    """Say why our clock is too far off to sign by it, or return "".

    `off` are the seconds that it is off the seller's clock, `head_off` those off the newest block's time; None where
    unknown. An old block alone proves nothing beside a seller's clock that agrees with ours: its server may lag.
    """
    if off is not None and (off >= window.ahead or -off >= window.behind):
        return _unsignable(off, whose, window)
    if head_off is None or not window.head_counts:
        return ""
    if -head_off >= window.behind or (off is None and head_off >= window.ahead):
        return _unsignable(head_off, "the chain's newest block", window)
    return ""


def _unsignable(off: float, whose: str, window: ClockWindow) -> str:
    return (
        f"this machine's clock is {offset_text(off)} {whose}, so what it signs now would not be valid: it may be at "
        f"most {window.ahead} s ahead (payment.clock_skew_seconds) and {window.behind} s behind"
    )


def offset_text(off: float) -> str:
    """Seconds and direction, such as "40 s ahead of"."""
    return f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'}"


@dataclass(slots=True)
class ClockReadings:
    """Seconds our clock was ahead (negative: behind) at the last answer of each seller and of CHAIN_SERVER."""

    off: dict[str, float] = field(default_factory=dict)

    def saw(self, name: str, now: float, date: float | None, elapsed: float) -> None:
        if date is not None:
            self.off[name] = seconds_off(now, date, elapsed)

    def fault(self, seller: str, window: ClockWindow, head_off: float | None = None) -> str:
        """Say why nothing may be signed for a seller now, or return "". The chain server stands in for a new seller."""
        if seller in self.off:
            return _fault(self.off[seller], head_off, window)
        return _fault(self.off.get(CHAIN_SERVER), head_off, window, _CHAIN_SERVERS)

    def notes(self) -> tuple[str, ...]:
        """Say by how much our clock is off, for each clock from which it differs by NOTED_SECONDS or more."""
        return tuple(
            f"this machine's clock is {offset_text(seconds)} {'that of ' + name if name else _CHAIN_SERVERS}"
            for name, seconds in sorted(self.off.items())
            if abs(seconds) >= NOTED_SECONDS
        )
