"""`tollbook status`: show money, open purchases and caps."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.output import Output


def status(as_json: options.Json = False) -> None:
    """Show what was spent, what is open or undelivered, and how full the caps are. Needs no key, no network."""
    from tasks.ops.status import read_status
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.tables.purchases import show_purchases

    output = Output(as_json=as_json)
    with Workspace.open() as ws:
        now = read_status(ws)
    output.document(now.document())
    output.heading(f"tollbook at {now.at:%Y-%m-%d %H:%M} UTC")
    output.line(f"  home        {now.home}")
    output.line(f"  published   {now.published or 'nothing yet'}")
    if now.held.files:
        output.line(f"  held        {now.held.files} older versions that sessions read, {now.held.bytes / 1e6:,.1f} MB")
    output.line(f"  delivered   {now.delivered} purchases")
    for freeze in now.frozen:
        output.line(f"  frozen      {freeze.text}", style="red")
    for symbol, spent in now.spent.items():
        flight = now.in_flight.get(symbol, 0)
        waiting = f", {now.text(symbol, flight)} not yet proved on chain" if flight else ""
        output.line(f"  spent       {now.text(symbol, spent)} {symbol}{waiting}")
    rows = [
        (
            cap.key,
            now.text(cap.asset.symbol, cap.committed),
            now.text(cap.asset.symbol, cap.limit),
        )
        for cap in now.caps
    ]
    output.line()
    output.table(("cap", "committed", "limit"), rows, right=frozenset({1, 2}))
    show_purchases(output, "Open: in doubt, being watched", now.open)
    show_purchases(output, "Undelivered: paid, no data; needs operator approval (accept-loss)", now.undelivered)
