"""`tollbook rebuild`: cache and published files from the ledger, for $0; `--check` only looks."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer


def rebuild(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is damaged or differs. Needs no key and no chain.")
    ] = False,
    forget_lost: Annotated[
        bool, typer.Option("--forget-lost", help="Drop rows of deliveries that the ledger has lost.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Make the cache and the published files anew from the bodies in the ledger. Asks nobody, costs nothing."""
    from tasks.ops.rebuild import rebuild_all, rebuild_document
    from tollbook.cli.working import in_workspace

    answer = Answer(as_json=as_json)
    if check:
        return _check(answer)
    done, publication = in_workspace(partial(rebuild_all, forget_lost=forget_lost))
    answer.document(rebuild_document(done, publication))
    answer.line(f"rebuilt from the ledger for $0: {done.rows} rows in {done.seconds + publication.seconds:.1f} s")
    if done.changed:
        answer.line(f"  changed     {', '.join(done.changed)}", style="yellow")
    if done.forgotten:
        answer.line(f"  forgotten   {done.forgotten} deliveries that the ledger lacks", style="yellow")
    if publication.note:
        answer.line(f"  damaged     {publication.note}", style="yellow")
    answer.line(f"  published   {publication.path}")
    return 0


def _check(answer: Answer) -> int:
    from payer.values.errors import Unresolved
    from tasks.ops.reconcile import check_all, difference_document
    from tollbook.cli.working import in_workspace

    found = in_workspace(check_all)
    answer.document({"clean": not found, "differences": [difference_document(one) for one in found]})
    answer.line("bodies, cache and published files are whole" if not found else f"{len(found)} differences")
    for one in found:
        answer.line(f"  {one.kind}: {one.detail}", style="red")
    return Unresolved.exit_code if found else 0
