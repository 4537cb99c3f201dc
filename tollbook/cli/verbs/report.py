"""`tollbook report`: show one page on money and data, in the terminal or as an HTML file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def report(
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the page with charts to this file, for a browser."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show one page: what was spent and saved, and how fresh and complete each table is. Needs no key, no network."""
    from tasks.ops.report import page
    from tollbook.cli.tables.report import show_report
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    if html is not None:
        return _write(output, html)
    contents = in_workspace(page, says="bringing the published file up to date")
    output.warn(contents["stale"])
    output.document(contents)
    return show_report(output, contents)


def _write(output: Output, html: Path) -> None:
    from tasks.report.write import write_report
    from tollbook.cli.workspace import in_workspace

    written = in_workspace(partial(write_report, path=html), says="drawing the page")
    output.warn(written.stale)
    output.document(written.document())
    output.line(f"written: {written.path} ({written.size // 1000 + 1} kB); open it in a browser, it needs no network")
    for lost in written.losses:
        output.line(f"  lost: {lost} was paid for nothing that can be used", style="red")
