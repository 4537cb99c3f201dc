"""`tollbook recover`: finish or void open purchases."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.answer import Answer


def recover(as_json: options.Json = False) -> int:
    """Claim what is paid for, free what is provably dead, load and publish. Buys nothing new."""
    from tasks.ops.recovery import recover_all
    from tollbook.cli.render import purchases
    from tollbook.cli.working import in_workspace

    answer = Answer(as_json=as_json)
    done = in_workspace(recover_all)
    answer.document(done.document())
    answer.heading("Recovered")
    for words, count in done.counts().items():
        answer.line(f"  {words:<12}{count}")
    purchases(answer, "Still in doubt: run `tollbook recover` again later", [p for p, _ in done.found.in_doubt])
    purchases(answer, "Undelivered: paid, no data; a person decides (accept-loss)", done.undelivered)
    return done.exit_code
