"""Output of the command at a terminal or a pipe: one JSON document, or text and tables for people.

A reader may leave: `tollbook costs | head` ends quietly, and a run goes on paying and booking. What a command is doing
is shown at once. Nothing slow is imported: this is there before what is.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TextIO

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
        if text and sys.stderr.isatty():
            text = folded(text, shutil.get_terminal_size().columns, 2)
        if text:
            print(text, file=sys.stderr, flush=True)

    def line(self, text: str = "", *, style: str = "", hang: int | None = None) -> None:
        """Print a sentence for people; `style` colours it on a terminal.

        With `hang` a terminal gets it folded between its words, further lines so far from the left.
        """
        if self.as_json:
            return
        if self.terminal and hang is not None:
            text = folded(text, _console().width, hang)
        if self.terminal and style:
            _console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, style="bold")

    def table(
        self,
        columns: Row,
        rows: Sequence[Row],
        *,
        right: frozenset[int] = frozenset(),
        foot: Row = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Print rows under headings; `right` has the indexes of right-aligned columns, `foot` is the line of totals.

        A terminal too narrow for all columns doesn't get those of `optional`, the first named left out first.
        """
        if self.as_json:
            return
        if self.terminal:
            console = _console()
            left_out = too_wide([columns, *rows, *([foot] if foot else [])], console.width, optional)
            _rich_table(console, columns, rows, right, foot, left_out)
            if left_out:
                names = ", ".join(column for column in columns if column in left_out)
                self.line(f"not shown in {console.width} columns: {names}; --json has them", style="dim")
        else:
            print("\n".join(plain_table(columns, rows, right=right, foot=foot)))


def folded(text: str, width: int, hang: int) -> str:
    """Fold text between its words; later lines begin with `hang` spaces. No word is broken: it may be a path."""
    room = textwrap.TextWrapper(
        width, subsequent_indent=" " * min(hang, width // 3), break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(line for part in text.split("\n") for line in room.wrap(part) or [""])


def plain_table(columns: Row, rows: Sequence[Row], *, right: frozenset[int] = frozenset(), foot: Row = ()) -> list[str]:
    """Format rows as aligned text without lines, for pipes, logs and documents."""
    lines = [columns, *rows, *([foot] if foot else [])]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]

    def aligned(line: Row) -> str:
        cells = (
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return ("  " + "  ".join(cells)).rstrip()

    rule = "  " + "  ".join("-" * width for width in widths)
    body = [aligned(line) for line in rows]
    return [aligned(columns), rule, *body, *([rule, aligned(foot)] if foot else [])]


GAP = 2
"""Spaces between columns."""


def too_wide(lines: Sequence[Row], width: int, optional: Sequence[str]) -> frozenset[str]:
    """Choose columns of `optional`, in its order, to leave out until the lines fit the width; the first line has the
    columns' names."""
    names = lines[0]
    widths = {name: _needed([line[at] for line in lines]) + GAP for at, name in enumerate(names)}
    left_out: set[str] = set()
    for name in optional:
        if sum(size for column, size in widths.items() if column not in left_out) <= width:
            break
        left_out.add(name)
    return frozenset(left_out)


PROSE = 24
"""Characters of a line in which sentences can still be read; a cell is folded between its words down to that."""


def _needed(cells: Sequence[str]) -> int:
    """The width that a column needs: that of its longest cell, or of sentences folded between their words."""
    longest_word = max((len(word) for cell in cells for word in cell.split()), default=0)
    return min(max(map(len, cells)), max(PROSE, longest_word))


def column_widths(lines: Sequence[Row], width: int) -> list[int]:
    """Divide a terminal's width among columns: names and numbers get what they need, sentences what is left.

    Where even that is too much the widest columns are folded: nothing is cut off.
    """
    cells = [[line[at] for line in lines] for at in range(len(lines[0]))]
    longest = [max(map(len, column)) for column in cells]
    widths = list(map(_needed, cells))
    spare = width - sum(widths) - GAP * len(widths)
    while spare > 0 and (short := [at for at in range(len(widths)) if widths[at] < longest[at]]):
        for at in short[:spare]:
            widths[at] += 1
            spare -= 1
    while spare < 0 and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
        spare += 1
    return widths


def _console() -> Any:
    from rich.console import Console

    return Console()


def _rich_table(
    console: Any, columns: Row, rows: Sequence[Row], right: frozenset[int], foot: Row, left_out: frozenset[str]
) -> None:
    """Print with rich. No name, number or heading is ever folded: only sentences are, between their words."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        show_footer=bool(foot),
        header_style="bold",
        footer_style="bold",
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
    )
    shown = [at for at, column in enumerate(columns) if column not in left_out]
    lines = [[line[at] for at in shown] for line in (columns, *rows, *([foot] if foot else []))]
    for at, width in zip(shown, column_widths(lines, console.width), strict=True):
        table.add_column(
            columns[at],
            justify="right" if at in right else "left",
            footer=Text(foot[at]) if foot else "",
            overflow="fold",
            width=width,
        )
    for row in rows:
        table.add_row(*(Text(row[at]) for at in shown))
    console.print(table)


class LeavableStream:
    """A text stream that drops what is written once nobody reads it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> None:
        """Point the descriptor elsewhere: the interpreter flushes it once more at its end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def let_readers_leave() -> None:
    """Make stdout and stderr leavable. The exit code stays the verb's, whoever reads."""
    sys.stdout, sys.stderr = LeavableStream(sys.stdout), LeavableStream(sys.stderr)


def reader_left(stream: Any, seconds: float) -> bool:
    """Wait, and return True as soon as nobody reads the stream any more: a pipe whose reader ended, a closed terminal.

    A program that writes rarely would else notice it at its next line only.
    """
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        time.sleep(seconds)
        return False
    return bool(poll.poll(seconds * 1000))


class Spinner:
    """Shows on stderr what a command is doing while nothing else is shown there; nothing where it is no terminal."""

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._status: Any = None

    def __call__(self, words: str) -> None:
        if self._console is None:
            if not sys.stderr.isatty():
                return
            from rich.console import Console

            self._console = Console(stderr=True)
        self.end()
        self._status = self._console.status(f"{words} …", spinner="dots")
        self._status.start()

    @contextmanager
    def saying(self, words: str) -> Iterator[Self]:
        """Show the words until the block ends, or `end` is called."""
        self(words)
        try:
            yield self
        finally:
            self.end()

    def end(self) -> None:
        """Clear it, for what is printed next."""
        if self._status is not None:
            self._status.stop()
            self._status = None
