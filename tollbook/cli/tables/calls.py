"""Print calls, one a line, in columns that are known before the first call is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from tasks.calls.call import TROUBLE, State, WatchedCall
from tasks.calls.subject import AskedFor

KeyName = Callable[[str, str], str]
"""A key of a dataset as people know it: the symbol of a token."""

WIDE = 104
"""Columns of a terminal that has two spaces between columns."""
HASH = 66
AMOUNT = 4
HEAD = ("time", "flow", "dataset", "asked for", "amount", "state, transaction")


def plain_key(_dataset: str, key: str) -> str:
    """Leave a key as it is."""
    return key


class JsonLines:
    """Each call as one line of JSON."""

    def show(self, calls: Iterable[WatchedCall]) -> None:
        for call in calls:
            print(json.dumps(call.document(), ensure_ascii=False), flush=True)


class TextLines:
    """Each call as one line of full values, for pipes and logs; columns are as wide as the calls so far needed."""

    def __init__(self, name: KeyName = plain_key) -> None:
        self._name = name
        self._widths = [19, 9, 16, 24, 10, 11, 16]

    def show(self, calls: Iterable[WatchedCall]) -> None:
        lines = [self._cells(call) for call in calls]
        for at in range(len(self._widths)):
            self._widths[at] = max([self._widths[at], *(len(cells[at]) for cells in lines)])
        for cells in lines:
            print("  ".join([*_aligned(cells, self._widths), cells[-1]]).rstrip(), flush=True)

    def _cells(self, call: WatchedCall) -> list[str]:
        """The call with its whole time, keys, purchase and transaction."""
        keys = ",".join(self._name(call.dataset, key) for key in call.subject.keys)
        asked = " ".join(part for part in (window_text(call.subject, None), keys) if part)
        whole = f"{call.at:%Y-%m-%d %H:%M:%S}", call.flow, call.dataset, asked, call.amount, call.state.value
        return [*whole, call.purchase_id or "-", call.tx_url or call.tx_hash or call.why or ""]


class TerminalLines:
    """Each call as one line that fits the terminal, with colour, a link to its transaction, and a heading per day."""

    def __init__(self, name: KeyName = plain_key, console: Any = None) -> None:
        from rich.console import Console

        self._console, self._name = console or Console(), name
        self._day: date | None = None

    def show(self, calls: Iterable[WatchedCall]) -> None:
        for call in calls:
            widths, gap = column_widths(self._console.width)
            if call.at.date() != self._day:
                self._heading(call.at.date(), widths, gap)
            self._console.print(self._text(call, widths, gap), soft_wrap=True, highlight=False)
            if call.why:
                reason = f"{' ' * (widths[0] + gap)}{call.purchase_id}: {call.why}"
                self._console.print(short(reason, self._console.width), style="red", markup=False, highlight=False)

    def _heading(self, day: date, widths: Sequence[int], gap: int) -> None:
        if self._day is not None:
            self._console.print()
        self._day = day
        self._console.print(f"{day:%Y-%m-%d} (UTC)", style="dim", highlight=False)
        self._console.print(
            (" " * gap).join(_aligned(HEAD, widths)).rstrip(), style="bold", soft_wrap=True, highlight=False
        )

    def _text(self, call: WatchedCall, widths: Sequence[int], gap: int) -> Any:
        from rich.text import Text

        cells = columns(call, widths, self._name)
        text = Text((" " * gap).join(cells[:-1]) + " " * gap)
        shades = {State.SETTLED: "green", State.CACHED: "dim", State.FREE: "green"}
        text.append(cells[-1], style="red" if call.state in TROUBLE else shades.get(call.state, ""))
        room = self._console.width - len(text) - 1
        if call.tx_hash and room > len("0x12…"):
            link = f"link {call.tx_url}" if call.tx_url else ""
            text.append(" ")
            text.append(short(call.tx_hash, min(room, HASH)), style=f"dim {link}".strip())
        return text


def lines_for(*, as_json: bool, name: KeyName = plain_key) -> JsonLines | TextLines | TerminalLines:
    """JSON lines, or lines for the terminal or the pipe that stdout is."""
    if as_json:
        return JsonLines()
    return TerminalLines(name) if sys.stdout.isatty() else TextLines(name)


def column_widths(width: int | None = None) -> tuple[tuple[int, ...], int]:
    """The widths of all columns of `HEAD` but the last's, and the spaces between them. At 80 columns 18 are left for
    the last one: the state, and the beginning of its transaction."""
    width = shutil.get_terminal_size().columns if width is None else width
    if width >= WIDE:
        more = max(0, width - WIDE - HASH)
        return (8, 10, 18, 22 + min(more, 40), 12, 11), 2
    return (8, 9, 15, max(8, min(16, width - 65)), 10, 0), 1


def columns(call: WatchedCall, widths: Sequence[int], name: KeyName = plain_key) -> list[str]:
    """The call's cells, cut to their widths; the amount is never cut."""
    keys = [name(call.dataset, key) for key in call.subject.keys]
    asked = asked_for(call.subject, keys, widths[3], call.at.year)
    cells = (f"{call.at:%H:%M:%S}", call.flow, call.dataset, asked)
    texts = [short(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return [*texts, call.amount.rjust(widths[4]), call.state.value]


def asked_for(subject: AskedFor, keys: Sequence[str], room: int, year: int | None) -> str:
    """The window and as many keys as there is room for, with the number of the others."""
    window = window_text(subject, year)
    for count in range(len(keys), 0, -1):
        more = f" +{len(keys) - count}" if count < len(keys) else ""
        text = " ".join(part for part in (window, ",".join(keys[:count])) if part) + more
        if len(text) <= room:
            return text
    counted = {0: "", 1: keys[0] if keys and not window else "1 key"}.get(len(keys), f"{len(keys)} keys")
    text = " ".join(part for part in (window, counted) if part)
    return text if len(text) <= room or not window else window


def window_text(subject: AskedFor, year: int | None) -> str:
    """The window, without the year if both ends are of this one, and without what its last slot repeats."""
    first, last = subject.first, subject.last
    page = [f"page {subject.page}"] if subject.page else []
    if first is None or last is None:
        return " ".join(page)
    if year is not None and first.startswith(f"{year}-") and last.startswith(f"{year}-"):
        first, last = first[5:], last[5:]
    head, _, day = last.rpartition("-")
    ends = f"{first}…{day}" if head and first.startswith(f"{head}-") else f"{first}…{last}"
    return " ".join([first if first == last else ends, *page])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """As many cells as there are widths, each filled up to its own; the amount on the right."""
    sized = enumerate(zip(cells, widths, strict=False))
    return [cell.rjust(width) if at == AMOUNT else cell.ljust(width) for at, (cell, width) in sized]


def short(text: str, room: int) -> str:
    """The text, cut to a number of characters with a sign that it was."""
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"
