"""`tollbook recover`: finish or free open purchases."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def recover(as_json: options.Json = False) -> int:
    """Claim what is paid, free what is proven void, load and publish. Buys nothing new."""
    from tasks.ops.recovery import recover_all
    from tollbook.cli.tables.purchases import show_purchases
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    done = in_workspace(recover_all, waits=True, says="looking for open purchases on the chain")
    output.document(done.document())
    output.heading("Recovered")
    for words, count in done.counts().items():
        output.line(f"  {words:<12}{count}")
    for note in done.notes:
        output.line(f"  note        {note}", style="yellow")
    show_purchases(output, "Still in doubt: run `tollbook recover` again later", [p for p, _ in done.in_doubt])
    show_purchases(output, "Undelivered: paid, no data; needs operator approval (accept-loss)", done.undelivered)
    show_purchases(output, "Failed: a body came that can't be used; needs operator approval (accept-loss)", done.failed)
    return done.exit_code
