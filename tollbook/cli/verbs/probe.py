"""`tollbook probe`: check every endpoint's current terms against policy."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


def probe(
    seller: Annotated[str, typer.Argument(metavar="SELLER", help="A seller of the policy.")] = "tokenmetrics",
    as_json: options.Json = False,
) -> int:
    """Ask each endpoint for its terms with one unpaid request, and judge them by policy. Pays nothing, needs no key."""
    from payer.values.errors import worst
    from tasks.ops.probe import Probe
    from tasks.ops.probe import probe as ask
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)

    async def work(ws: Workspace) -> list[Probe]:
        return await ask(ws, seller)

    endpoints = in_workspace(work)
    output.document({"seller": seller, "endpoints": [one.document() for one in endpoints]})
    rows = [
        (endpoint.dataset, str(endpoint.status or "-"), endpoint.price or "-", endpoint.words) for endpoint in endpoints
    ]
    output.table(("dataset", "status", "price", "terms"), rows, right=frozenset({1, 2}))
    return worst([one.exit_code for one in endpoints])
