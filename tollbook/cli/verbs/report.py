"""`tollbook report`: show one page on money and data."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.output import Output


def report(as_json: options.Json = False) -> None:
    """Show one page: what was spent and saved, and how fresh and complete each table is. Needs no key, no network."""
    from tasks.ops.report import page
    from tollbook.cli.tables.report import show_report
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    contents = in_workspace(page)
    output.warn(contents["stale"])
    output.document(contents)
    show_report(output, contents)
