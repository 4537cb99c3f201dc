"""A verb's output: with --json one document on stdout, otherwise text and tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

Row = Sequence[str]


class Output:
    """The output of one verb: tables with lines and colour on a terminal, plain aligned columns elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty() and not as_json

    def document(self, document: Any) -> None:
        """Print the verb's JSON document; without --json print nothing."""
        if self.as_json:
            print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)

    def warn(self, text: str | None) -> None:
        """Print a warning on stderr, also with --json."""
        if text:
            print(text, file=sys.stderr, flush=True)

    def line(self, text: str = "", *, style: str = "") -> None:
        """Print a sentence for people; `style` colours it on a terminal."""
        if self.as_json:
            return
        if self.terminal and style:
            _console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, style="bold")

    def table(self, columns: Row, rows: Sequence[Row], *, right: frozenset[int] = frozenset(), foot: Row = ()) -> None:
        """Print rows under headings; `right` has the indexes of right-aligned columns, `foot` is the line of totals."""
        if self.as_json:
            return
        if self.terminal:
            _rich_table(columns, rows, right, foot)
        else:
            print("\n".join(plain_table(columns, rows, right=right, foot=foot)))


def plain_table(
    columns: Row, rows: Sequence[Row], *, right: frozenset[int] = frozenset(), foot: Row = (), indent: str = "  "
) -> list[str]:
    """Format rows as aligned text without lines, for pipes, logs and documents."""
    lines = [columns, *rows, *([foot] if foot else [])]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]

    def aligned(line: Row) -> str:
        cells = (
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return (indent + "  ".join(cells)).rstrip()

    rule = indent + "  ".join("-" * width for width in widths)
    body = [aligned(line) for line in rows]
    return [aligned(columns), rule, *body, *([rule, aligned(foot)] if foot else [])]


def _console() -> Any:
    from rich.console import Console

    return Console()


def _rich_table(columns: Row, rows: Sequence[Row], right: frozenset[int], foot: Row) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=bool(foot),
        header_style="bold",
        footer_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for at, column in enumerate(columns):
        table.add_column(
            column, justify="right" if at in right else "left", footer=Text(foot[at]) if foot else "", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _console().print(table)
