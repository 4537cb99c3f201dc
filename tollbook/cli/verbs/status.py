"""`tollbook status`: show money, open purchases and caps."""

from __future__ import annotations

from tasks.request.counted import counted
from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def status(as_json: options.Json = False) -> int:
    """Show what was spent, what is open or undelivered, and how full the caps are. Needs no key, no network.

    Exits 5 while a purchase that brought nothing awaits an operator, 4 while money is in doubt.
    """
    from tasks.ops.status import read_status
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.tables.purchases import show_lost, show_purchases

    output = Output(as_json=as_json)
    with Workspace.open() as ws:
        now = read_status(ws)
    output.document(now.document())
    output.heading(f"tollbook at {now.at:%Y-%m-%d %H:%M} UTC")
    output.line(f"  home        {now.home}")
    output.line(f"  published   {now.published or 'nothing yet'}")
    if now.held.files:
        output.line(f"  held        {now.held.files} older versions that sessions read, {now.held.bytes / 1e6:,.1f} MB")
    output.line(f"  delivered   {counted(now.delivered, 'purchase')}")
    if now.absent and (now.absent.unconfirmed or now.absent.confirmed_empty):
        output.line(f"  absent      {now.absent.text}", style="yellow" if now.absent.unconfirmed else "")
    for freeze in now.frozen:
        output.line(f"  frozen      {freeze.text}", style="red")
    for symbol, spent in now.spent.items():
        parts = {"in doubt": now.in_doubt.get(symbol, 0), "reserved": now.reserved.get(symbol, 0)}
        more = "".join(f", {now.text(symbol, amount)} {word}" for word, amount in parts.items() if amount)
        output.line(f"  spent       {now.text(symbol, spent)} {symbol}{more}")
    for symbol, lost in now.lost.items():
        if lost:
            output.line(
                f"  lost        {now.text(symbol, lost)} {symbol} of it, for nothing that can be used", style="red"
            )
    rows = [
        (
            cap.name,
            f"{now.text(cap.asset.symbol, cap.committed)} {cap.asset.symbol}",
            f"{now.text(cap.asset.symbol, cap.limit)} {cap.asset.symbol}",
        )
        for cap in now.caps
    ]
    output.line()
    output.table(("cap", "committed", "limit"), rows, right=frozenset({1, 2}))
    undelivered = {purchase.purchase_id for purchase in now.undelivered}
    watched = [purchase for purchase in now.open if purchase.purchase_id not in undelivered]
    show_purchases(output, "Open: reserved or in doubt, being watched", watched)
    show_lost(output, now.undelivered, now.failed)
    return now.exit_code
