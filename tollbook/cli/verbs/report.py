"""`tollbook report`: one page on money and data."""

from __future__ import annotations

from tollbook.cli import options
from tollbook.cli.answer import Answer


def report(as_json: options.Json = False) -> None:
    """Show one page: what was spent and saved, and how fresh and whole each table is. Needs no key, no network."""
    from tasks.ops.report import page
    from tollbook.cli.report_page import report_page
    from tollbook.cli.working import in_workspace

    answer = Answer(as_json=as_json)
    found = in_workspace(page)
    answer.warn(found["stale"])
    answer.document(found)
    report_page(answer, found)
