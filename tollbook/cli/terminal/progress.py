"""Progress while buying, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from payer.values.purchase import Purchase
from tasks.buy.watch import UNWATCHED, Counting, Watch
from tollbook.cli.terminal.output import Spinner

if TYPE_CHECKING:
    from tasks.buy.bill import Bill
    from tasks.workspace.run import AsStep

P = ParamSpec("P")
T = TypeVar("T")
Stage = Callable[[str], None]
"""Shows what a run is doing now."""

SECONDS_BETWEEN_LINES = 2.0


STAGES = {
    "recover": "looking for open purchases",
    "load": "loading",
    "plan": "planning",
    "quote": "asking for prices",
    "approve": "reserving",
    "verify": "looking for the payments on the chain",
    "publish": "publishing",
}
"""Words for the steps of a run, by their names; buying shows itself."""


def with_stages(stage: Stage) -> AsStep:
    """Have each step say first what it is about to do: `stage` shows that until the next."""

    def saying(step: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]:
        async def said(*args: P.args, **kwargs: P.kwargs) -> T:
            stage(STAGES[step.__name__])
            return await step(*args, **kwargs)

        return said if step.__name__ in STAGES else step

    return saying


def no_stage(_words: str) -> None:
    """Show nothing."""


def watch_for(*, quiet: bool = False) -> Watch:
    """Return a bar if stderr is a terminal, else lines; with `quiet`, nothing."""
    if quiet:
        return UNWATCHED
    return Bar() if sys.stderr.isatty() else Lines()


def stage_of(watch: Watch) -> Stage:
    """Return what shows steps between purchases: a bar does; lines and silence have nothing to show."""
    return watch.stage if isinstance(watch, Bar) else no_stage


class Lines(Counting):
    """Progress lines for logs and pipes: now and then, for each problem, and what it came to."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic()
        self._said = 0

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        super().bought(purchase, rows, problem)
        if problem or time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._print(f": {problem}" if problem else "")

    def bill(self, bill: Bill) -> None:
        super().bill(bill)
        self._said = 0

    def ended(self) -> None:
        if self.done > self._said:
            self._print()

    def _print(self, trouble: str = "") -> None:
        self._last, self._said = time.monotonic(), self.done
        print(f"{self.flow}: {self.words}{trouble}", file=sys.stderr, flush=True)


class Blocks:
    """Progress lines on stderr while a long range of the chain is read, or a server is searched for payments, such as
    by a recovery; nothing for one that is read at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, server: str = "") -> None:
        self._clock, self._server = clock, server
        self._started = self._last = clock()

    def __call__(self, read: int, of: int) -> None:
        now = self._clock()
        if not read:
            self._started = self._last = now
        if not read or now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = (now - self._started) * (of - read) / read / 60
        text = f"reading the chain: {read:,} of {of:,} blocks, about {left:.0f} min left; what was read is kept"
        if self._server:
            found = f"{self._server}: searching for payments"
            text = f"{found}: {read:,} of at most {of:,} blocks, about {left:.0f} min left"
        print(text, file=sys.stderr, flush=True)


class Bar(Counting):
    """A progress bar with calls, rows, money and time left, on stderr or on the given rich console. What it came to
    stays as one line when the run ends."""

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        self._spinner = Spinner(console)
        self._console = console
        self._progress: Any = None
        self._task: Any = None

    def stage(self, words: str) -> None:
        """Show what the run does besides buying, until it buys or ends."""
        if self._progress is not None and self.done < self.calls:
            return
        self._stop()
        self._spinner(f"{self.flow}: {words}" if self.flow else words)

    def bill(self, bill: Bill) -> None:
        self.ended()
        super().bill(bill)

    def buying(self, calls: int, amount_atomic: int) -> None:
        self._spinner.end()
        super().buying(calls, amount_atomic)
        if self._progress is None:
            self._start()
        self._progress.update(self._task, total=self.calls)

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        super().bought(purchase, rows, problem)
        self._progress.update(self._task, completed=self.done, rows=f"{self.rows} rows", money=self.money)
        if problem:
            self._progress.console.print(problem, style="red", markup=False, highlight=False)

    def ended(self) -> None:
        self._spinner.end()
        self._stop()
        if self.done and self._console is not None:
            self._console.print(f"  {self.flow:<10} {self.words}", markup=False, highlight=False)
        self._ended = {}

    def _stop(self) -> None:
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
        self._console = self._console or Console(stderr=True)
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task(self.flow, total=self.calls, rows="", money=self.money)
        self._progress.start()
