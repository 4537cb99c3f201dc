"""Progress while buying, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from tollbook.payer.money import decimal_text
from tollbook.payer.types import Purchase
from tollbook.tasks.bill import Bill
from tollbook.tasks.watch import UNWATCHED, Silent, Watch

SECONDS_BETWEEN_LINES = 2.0


def watch_for(*, quiet: bool = False) -> Watch:
    """What suits the place where stderr goes."""
    if quiet:
        return UNWATCHED
    return Bar() if sys.stderr.isatty() else Lines()


class _Counting(Silent):
    """Calls, rows and money so far."""

    def __init__(self) -> None:
        self.flow, self.symbol, self.decimals = "", "", 0
        self.calls = self.done = self.rows = self.atoms = 0

    def bill(self, bill: Bill) -> None:
        self.flow, self.symbol, self.decimals = bill.flow, bill.asset.symbol, bill.asset.decimals
        self.calls = self.done = self.rows = self.atoms = 0

    def buying(self, calls: int, atoms: int) -> None:
        """Further pages of a listing come on top of what was begun."""
        self.calls += calls

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        self.done += 1
        self.rows += rows
        self.atoms += purchase.committed if purchase else 0

    @property
    def money(self) -> str:
        return f"{decimal_text(self.atoms, self.decimals)} {self.symbol}"


class Lines(_Counting):
    """For logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic()

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        super().bought(purchase, rows, problem)
        due = time.monotonic() - self._last >= SECONDS_BETWEEN_LINES
        if problem or due or self.done == self.calls:
            self._last = time.monotonic()
            words = f": {problem}" if problem else ""
            counted = f" {self.rows} rows," if self.rows else ""
            line = f"{self.flow}: {self.done} of {self.calls} calls,{counted} {self.money}{words}"
            print(line, file=sys.stderr, flush=True)


class Bar(_Counting):
    """For a terminal: calls, rows, money and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Any = None
        self._task: Any = None

    def bill(self, bill: Bill) -> None:
        self.ended()
        super().bill(bill)

    def buying(self, calls: int, atoms: int) -> None:
        super().buying(calls, atoms)
        if self._progress is None:
            self._start()
        self._progress.update(self._task, total=self.calls)

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        super().bought(purchase, rows, problem)
        counted = f"{self.rows} rows" if self.rows else ""
        self._progress.update(self._task, advance=1, rows=counted, money=self.money)
        if problem:
            self._progress.console.print(problem, style="red", markup=False, highlight=False)

    def ended(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("  {task.description:<10}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]}  {task.fields[money]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(self.flow, total=self.calls, rows="", money=self.money)
        self._progress.start()
