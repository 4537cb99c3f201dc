"""Checks of what others answer: each seller's terms, and everybody's clock beside ours."""

from __future__ import annotations

from statistics import median

from payer.policy.clock_skew import CLOCK_ADVICE, NOTED_SECONDS, offset_text, window_of
from payer.values.errors import PayerError, Refused
from tasks.health.finding import Check, failed_check
from tasks.ops.probe import NothingDeclared, probe
from tasks.workspace.workspace import Workspace

ANY_PAYEE = '; pay_to = "any": nothing checks who is paid, only the caps bound it (docs/policy.md)'


async def sellers(ws: Workspace) -> list[Check]:
    """Check each seller's terms with one unpaid request."""
    found = []
    for name in ws.policy.sellers:
        try:
            results = await probe(ws, name, limit=1)
        except NothingDeclared as error:
            found.append(Check(f"seller {name}", True, error.what))
            continue
        except PayerError as error:
            found.append(failed_check(f"seller {name}", error))
            continue
        for result in results:
            words = result.words + (ANY_PAYEE if ws.policy.sellers[name].any_payee else "")
            found.append(Check(f"seller {name}", result.ok, words, result.fix, result.exit_code))
    return found


def clocks(ws: Workspace) -> list[Check]:
    """Compare our clock with those of the answers to the other checks; a seller that told no time is left out.

    Where nearly all differ by the same, our clock is what is off, and that is said once.
    """
    found = []
    readings = sorted(ws.clocks.off.items())
    middle = median(off for _, off in readings) if readings else 0.0
    alike = [name for name, off in readings if abs(off - middle) < 2]
    ours = abs(middle) >= NOTED_SECONDS and len(alike) > 1
    for name, off in readings:
        if ours and name in alike[1:]:
            continue
        whose = f"that of {name}" if name else "the chain server's"
        whose = f"those of {len(alike)} servers" if ours and name in alike else whose
        detail = f"within a second of {whose}" if abs(off) < 1 else f"{offset_text(off)} {whose}"
        fault = ws.clocks.fault(name, window_of(ws.policy, ws.policy.validity_seconds))
        fix = CLOCK_ADVICE if fault or abs(off) >= NOTED_SECONDS else ""
        fault = fault.replace("the seller's", whose) if name else fault
        found.append(Check("clock", not fault, fault or detail, fix, Refused.exit_code if fault else 0))
    return found
