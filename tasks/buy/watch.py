"""Report progress while a run works. The command draws it, Prefect logs it, tests collect it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from payer.values.money import decimal_text
from payer.values.purchase import Data, Money, Purchase

if TYPE_CHECKING:
    from tasks.buy.bill import Bill


class Watch:
    """Called from one thread, in order; this one ignores everything. No method may raise or wait: money is in flight
    meanwhile."""

    def bill(self, bill: Bill) -> None:
        """Called with the bill, before anything is signed."""

    def buying(self, calls: int, amount_atomic: int) -> None:
        """Called before each batch: what the bill listed, or further pages of a listing. Reserved, not signed yet."""

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        """Called after each call, with its rows, or its problem. A purchase that is tried again is reported again."""

    def ended(self) -> None:
        """Called when the run is over, however it ended."""


UNWATCHED = Watch()


class Counting(Watch):
    """Counts calls, rows and money so far, against the bill's."""

    def __init__(self) -> None:
        self.flow, self.symbol, self.decimals = "", "", 0
        self.calls = self._begun = 0
        self._ended: dict[str, tuple[int, int]] = {}
        self._since = time.monotonic()

    def bill(self, bill: Bill) -> None:
        self.flow, self.symbol, self.decimals = bill.flow, bill.asset.symbol, bill.asset.decimals
        self.calls, self._begun, self._ended = bill.calls, 0, {}
        self._since = time.monotonic()

    def buying(self, calls: int, amount_atomic: int) -> None:
        """Raise the total only by what no bill could list: further pages of a listing of unknown length."""
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
        return f"{decimal_text(sum(amount for _, amount in self._ended.values()), self.decimals)} {self.symbol}"

    @property
    def words(self) -> str:
        """The progress in one line, with the time left at the pace so far."""
        text = f"{self.done} of {self.calls} calls, {self.rows} rows, {self.money}"
        if not 0 < self.done < self.calls:
            return text
        left = (time.monotonic() - self._since) / self.done * (self.calls - self.done)
        return f"{text}, about {f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'} left"
