"""`tollbook status`: where things stand."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.answer import Answer


def status(as_json: options.Json = False) -> None:
    """Show what was spent, what is open or undelivered, and how full the caps are. Needs no key, no network."""
    from tasks.ops.status import read_status
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.render import purchases

    answer = Answer(as_json=as_json)
    with Workspace.open() as ws:
        now = read_status(ws)
    answer.document(now.document())
    answer.heading(f"tollbook at {now.at:%Y-%m-%d %H:%M} UTC")
    answer.line(f"  home        {now.home}")
    answer.line(f"  published   {now.published or 'nothing yet'}")
    if now.held.files:
        answer.line(f"  held        {now.held.files} older versions that sessions read, {now.held.bytes / 1e6:,.1f} MB")
    answer.line(f"  delivered   {now.delivered} purchases")
    for symbol, atoms in now.spent.items():
        flight = now.in_flight.get(symbol, 0)
        waiting = f", {now.text(symbol, flight)} not yet proved on chain" if flight else ""
        answer.line(f"  spent       {now.text(symbol, atoms)} {symbol}{waiting}")
    rows = [
        (
            f"caps.{cap.asset.symbol}.{cap.name}",
            now.text(cap.asset.symbol, cap.committed),
            now.text(cap.asset.symbol, cap.limit),
        )
        for cap in now.caps
    ]
    answer.line()
    answer.table(("cap", "committed", "limit"), rows, right=frozenset({1, 2}))
    purchases(answer, "Open: in doubt, being watched", now.open)
    purchases(answer, "Undelivered: paid, no data; a person decides (accept-loss)", now.undelivered)
