"""Freeze sellers, so that every process on the ledger stops signing at its next signature; and let it go on."""

from __future__ import annotations

from typing import Any

from payer.ledger.refused_sellers import EVERY_SELLER, Freeze
from tasks.request.model import BadRequest
from tasks.workspace.run import operator_name
from tasks.workspace.workspace import Workspace


def freeze(ws: Workspace, seller: str | None, reason: str) -> Freeze:
    """Freeze a seller, or all without one; returns the freeze that holds. Raises Misconfigured for an unknown seller.

    A freeze of all reads no policy file: it has to work when that one is broken.
    """
    if seller is not None:
        ws.asset(seller)
    return ws.ledger.freeze(Freeze(seller or EVERY_SELLER, ws.clock.now(), operator_name(), reason))


def unfreeze(ws: Workspace, seller: str | None) -> tuple[Freeze, list[Freeze]]:
    """Lift the freeze of a seller, or that of all; returns it and those that still hold. Raises BadRequest for none."""
    lifted = ws.ledger.unfreeze(seller or EVERY_SELLER)
    rest = ws.ledger.freezes()
    if lifted is None:
        what = f"{seller} is not frozen by name" if seller else "there is no freeze of every seller"
        holds = "; ".join(each.text for each in rest) or "nothing is frozen"
        raise BadRequest(what, advice=f"what holds now: {holds}")
    return lifted, rest


def freeze_document(held: Freeze) -> dict[str, Any]:
    """One freeze as `--json` prints it; `seller` is null for every seller."""
    return {
        "seller": None if held.seller == EVERY_SELLER else held.seller,
        "since": held.since.isoformat(),
        "by": held.by,
        "reason": held.reason,
    }
