"""`tollbook probe`: every endpoint's current terms, beside policy and what is declared. Pays nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer


def probe(
    seller: Annotated[str, typer.Argument(metavar="SELLER", help="A seller of the policy.")] = "tokenmetrics",
    as_json: options.Json = False,
) -> int:
    """Ask each endpoint for its terms with one unpaid request, and judge them by policy. Pays nothing, needs no key."""
    from payer.values.errors import worst
    from tasks.ops.probe import Probe
    from tasks.ops.probe import probe as ask
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.working import in_workspace

    answer = Answer(as_json=as_json)

    async def work(ws: Workspace) -> list[Probe]:
        return await ask(ws, seller)

    found = in_workspace(work)
    answer.document({"seller": seller, "endpoints": [each.document() for each in found]})
    rows = [(each.dataset, str(each.status or "-"), each.price or "-", each.words) for each in found]
    answer.table(("dataset", "status", "price", "terms"), rows, right=frozenset({1, 2}))
    return worst([each.exit_code for each in found])
