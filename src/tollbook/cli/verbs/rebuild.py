"""`tollbook rebuild`: cache and published files from the ledger, for $0."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.answer import Answer


def rebuild(as_json: options.Json = False) -> None:
    """Make the cache and the published files anew from the bodies in the ledger. Asks nobody, costs nothing."""
    from tollbook.cli.working import in_workspace
    from tollbook.tasks.load import rebuild_all

    answer = Answer(as_json=as_json)
    done = in_workspace(rebuild_all)
    answer.document(done.document())
    answer.line(f"rebuilt from the ledger for $0: {done.rows} rows in {done.seconds:.1f} s")
    answer.line(f"  published   {done.path}")
