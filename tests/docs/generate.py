"""Writes docs/dictionary.md and the generated parts of operating.md and sources.md: `python -m tests.docs.generate`.

Tests hold them up to date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from tasks.metrics.textfile import METRICS
from tasks.workspace.settings import VARIABLES
from tests.docs.datasets_table import tables
from tests.paths import DOCS
from tollbook.cli.app import VERBS, app
from warehouse.exports import dictionary

PAGE = DOCS / "operating.md"
SOURCES = DOCS / "sources.md"
DICTIONARY = DOCS / "dictionary.md"


def variables() -> str:
    """The table of environment variables."""
    rows = [f"| `{name}` | {words} |" for name, words in VARIABLES.items()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])


def metrics() -> str:
    """The table of metrics."""
    rows = [f"| `{name}` | {words} |" for name, words in METRICS.items()]
    return "\n".join(["| metric | meaning |", "|---|---|", *rows])


def help_text() -> str:
    """`tollbook VERB --help` of every verb, as at 80 columns."""
    return "\n\n".join(f"### {verb}\n\n```text\n{help_of(verb)}\n```" for verb in VERBS)


def help_of(verb: str) -> str:
    import typer

    group = typer.main.get_command(app)
    command = group.commands[verb]  # type: ignore[attr-defined]
    context = type(group.make_context("tollbook", ["--version"], resilient_parsing=True))(
        command, info_name=f"tollbook {verb}", terminal_width=80, max_content_width=80
    )
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def operating() -> dict[str, str]:
    """The generated parts of docs/operating.md."""
    return {"variables": variables(), "metrics": metrics(), "help": help_text()}


def sources() -> dict[str, str]:
    """The generated parts of docs/sources.md."""
    return {"datasets": f"\n{tables()}\n"}


def generated(page: str, parts: Mapping[str, str]) -> str:
    """The page with its generated parts as they should be."""
    for name, text in parts.items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
        page, count = pattern.subn(partial(_filled, text), page)
        assert count == 1, f"one place for {name}"
    return page


def _filled(text: str, match: re.Match[str]) -> str:
    return f"{match[1]}{text}\n{match[2]}"


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text(), operating()))
    SOURCES.write_text(generated(SOURCES.read_text(), sources()))
    DICTIONARY.write_text(dictionary.page())
