"""`tollbook probe`: check a seller's current terms against policy; ask any URL for its terms; read a sample answer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace

_ROWS = 20
"""Rows of a sample that are shown to people; --json has them all."""


def probe(
    seller: Annotated[
        str,
        typer.Argument(
            metavar="SELLER|URL|DATASET", help="A seller of the policy, any URL, or (with --answer) a dataset."
        ),
    ] = "tokenmetrics",
    method: Annotated[str, typer.Option("--method", metavar="M", help="Of a URL: GET or POST.")] = "GET",
    body: Annotated[str, typer.Option("--body", metavar="JSON", help="Of a URL: what to POST.")] = "",
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="H", help='Of a URL: a header, "name: value". Repeat it for more.'),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of a URL: what to call its seller.")
    ] = None,
    answer: Annotated[
        Path | None, typer.Option("--answer", metavar="FILE", help="Read a sample answer of a dataset, for nothing.")
    ] = None,
    keys: options.Keys = None,
    as_json: options.Json = False,
) -> int:
    """Ask for terms with one unpaid request each, and judge them by policy. Pays nothing, needs no key."""
    output = Output(as_json=as_json)
    if answer is not None:
        return _read_answer(output, seller, answer, keys or [])
    if "://" in seller:
        return _probe_url(output, seller, name, method.upper(), body, header or [])
    return _probe_seller(output, seller)


def _probe_seller(output: Output, seller: str) -> int:
    from payer.values.errors import worst
    from tasks.ops.probe import probe as ask
    from tollbook.cli.workspace import in_workspace

    endpoints = in_workspace(lambda ws: ask(ws, seller), says="asking for terms; nothing is paid")
    output.document({"seller": seller, "endpoints": [one.document() for one in endpoints]})
    rows = [
        (endpoint.dataset, str(endpoint.status or "-"), endpoint.priced, endpoint.verdict) for endpoint in endpoints
    ]
    output.table(("dataset", "status", "price", "terms"), rows, right=frozenset({1, 2}))
    return worst([one.exit_code for one in endpoints])


def _probe_url(output: Output, url: str, name: str | None, method: str, body: str, headers: list[str]) -> int:
    from tasks.operator.new_seller import probe_url
    from tollbook.cli.workspace import in_workspace

    found = in_workspace(partial(probe_url, url=url, name=name, method=method, body=body, headers=headers))
    output.document(found.document())
    output.line(found.words)
    if found.problem is not None:
        output.line(f"To do: {found.problem.fix}")
    if found.terms is not None:
        output.heading("Add to policy.toml:")
        output.line(found.policy_text)
        output.heading(f"Write as sellers/{found.name}.toml beside it, and complete:")
        output.line(found.declaration_text)
    return found.exit_code


def _read_answer(output: Output, name: str, file: Path, keys: list[str]) -> int:
    from tasks.operator.new_seller import ReadAnswer, read_answer
    from tasks.request.names import datasets_of
    from tollbook.cli.workspace import in_workspace

    async def work(ws: Workspace) -> ReadAnswer:
        _ = ws.policy
        return read_answer(ws, datasets_of([name])[0], file, keys)

    read = in_workspace(work)
    output.document(read.document())
    columns = tuple(column.name for column in read.dataset.columns)
    rows = [tuple("" if row[column] is None else str(row[column]) for column in columns) for row in read.rows]
    output.line(
        f"{read.parsed.table.num_rows} of {read.parsed.rows_in_body} rows, as they would be in {read.dataset.table}:"
    )
    output.table(columns, rows[:_ROWS])
    for words in read.words:
        output.line(words)
    return read.exit_code
