"""Progress while buying, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from tollbook.payer.money import decimal_text
from tollbook.payer.types import Data, Money, Purchase
from tollbook.tasks.bill import Bill
from tollbook.tasks.watch import UNWATCHED, Silent, Watch

SECONDS_BETWEEN_LINES = 2.0


def watch_for(*, quiet: bool = False) -> Watch:
    """What suits the place where stderr goes."""
    if quiet:
        return UNWATCHED
    return Bar() if sys.stderr.isatty() else Lines()


class _Counting(Silent):
    """Calls, rows and money so far, against the bill's."""

    def __init__(self) -> None:
        self.flow, self.symbol, self.decimals = "", "", 0
        self.calls = self._begun = 0
        self._ended: dict[str, tuple[int, int]] = {}
        self._since = time.monotonic()

    def bill(self, bill: Bill) -> None:
        self.flow, self.symbol, self.decimals = bill.flow, bill.asset.symbol, bill.asset.decimals
        self.calls, self._begun, self._ended = bill.calls, 0, {}
        self._since = time.monotonic()

    def buying(self, calls: int, atoms: int) -> None:
        """Only what no bill could foresee, further pages of a listing of unknown length, comes on top."""
        self._begun += calls
        self.calls = max(self.calls, self._begun)

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        if purchase:
            paid = purchase.sends and (purchase.data is Data.DELIVERED or purchase.money is Money.SPENT)
            self._ended[purchase.purchase_id] = (rows, purchase.committed if paid else 0)

    @property
    def done(self) -> int:
        return len(self._ended)

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self._ended.values())

    @property
    def money(self) -> str:
        return f"{decimal_text(sum(atoms for _, atoms in self._ended.values()), self.decimals)} {self.symbol}"

    @property
    def seconds_left(self) -> float:
        """At the pace so far."""
        passed = time.monotonic() - self._since
        return passed / self.done * (self.calls - self.done) if self.done else 0.0


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
            left = f", about {_span(self.seconds_left)} left" if self.done < self.calls else ""
            words = f": {problem}" if problem else ""
            line = f"{self.flow}: {self.done} of {self.calls} calls, {self.rows} rows, {self.money}{left}{words}"
            print(line, file=sys.stderr, flush=True)


class Bar(_Counting):
    """For a terminal: calls, rows, money and the time left. It is drawn on stderr, or on the console that is given."""

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        self._console = console
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
        self._progress.update(self._task, completed=self.done, rows=f"{self.rows} rows", money=self.money)
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
        self._progress = Progress(*columns, console=self._console or Console(stderr=True))
        self._task = self._progress.add_task(self.flow, total=self.calls, rows="", money=self.money)
        self._progress.start()


def _span(seconds: float) -> str:
    """Rounded as a person says it."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
