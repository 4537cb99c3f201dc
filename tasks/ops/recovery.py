"""Recovery on its own: every flow's open purchases, then what they brought is loaded and published."""

from __future__ import annotations

from tasks.buy.load import load, publish
from tasks.buy.recover import Recovery, recover
from tasks.workspace.step import Caller, at_once
from tasks.workspace.workspace import Workspace


async def recover_all(ws: Workspace, *, call: Caller = at_once) -> Recovery:
    """Carry everything open as far as it goes; buys nothing new."""
    found = await call(recover, ws, None)
    loaded = await call(load, ws)
    published = await call(publish, ws)
    return Recovery(found, loaded, published, tuple(ws.ledger.undelivered()))
