"""Compare the watch list of the policy with the seller's free catalogue: an id that it lacks would bring no rows."""

from __future__ import annotations

from tasks.reference.catalogue import catalogue
from tasks.reference.without_wallet import CATALOGUED
from tasks.workspace.workspace import Workspace

FIX = "remove it, or find the id that was meant: `tollbook tokens QUERY`"


async def unlisted_tokens(ws: Workspace) -> tuple[str, ...]:
    """Return the ids of the watch list that the catalogue of today does not have.

    An older catalogue does while it has them all. Raises what keeps it from being read, such as SellerUnreachable.
    """
    seller = ws.policy.sellers.get(CATALOGUED)
    watched = [str(token) for token in seller.tokens] if seller else []
    if not watched:
        return ()
    known, _ = await catalogue(ws)
    if not all(token in known for token in watched):
        known, _ = await catalogue(ws, today=True)
    return tuple(token for token in watched if token not in known)


def unlisted_text(ids: tuple[str, ...]) -> str:
    """Say which ids bring nothing, and what to do; "" for none."""
    if not ids:
        return ""
    option = f"sellers.{CATALOGUED}.tokens"
    return f"{option} names {', '.join(ids)}, which the seller's catalogue does not list: no call brings rows of it"
