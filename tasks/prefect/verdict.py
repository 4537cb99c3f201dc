"""The final state of a flow run: its outcome in the words of the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from payer.values.errors import EndedVoid, LedgerDamaged, PayerError, Unreachable, Unresolved
from tasks.buy.outcome import Outcome
from tasks.ops.reconcile import Books
from tasks.request.counted import counted

MAY_PASS = (Unresolved.exit_code, Unreachable.exit_code)
"""Exit codes of what another attempt may get past: doubt, and a peer that doesn't answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that a flow run ends in, and whether running it again in a minute may end better."""

    state: State[Any]
    again: bool = False


def worth_repeating(error: PayerError) -> bool:
    """False for configuration, keys, policy, caps and losses: they would be the same again."""
    return error.exit_code in MAY_PASS and not isinstance(error, (EndedVoid, LedgerDamaged))


def verdict(outcome: Outcome) -> Verdict:
    """Completed for exit code 0, Cancelled for a stopped run, else Failed with what is in the way. Money first."""
    calls, symbol = counted(outcome.calls_paid, "paid call"), outcome.asset.symbol
    text = f"{calls}, {outcome.money(outcome.amount_atomic)} {symbol}"
    if outcome.interrupted:
        return Verdict(Cancelled(message="; ".join((f"stopped: {text}", *_reasons(outcome)))))
    if outcome.exit_code == 0:
        words = (text, f"{outcome.calls_avoided} saved by the cache", *_prices(outcome))
        return Verdict(Completed(message="; ".join(words), data=outcome.document()))
    state: State[Any] = Failed(message=f"{text}; {'; '.join(_reasons(outcome))} (exit code {outcome.exit_code})")
    return Verdict(state, bool(outcome.open) or any(map(worth_repeating, outcome.problems)))


def _reasons(outcome: Outcome) -> Iterator[str]:
    for problem in outcome.problems[:1]:
        yield problem.what
    if outcome.open:
        worth = f", {outcome.money(outcome.in_doubt)} {outcome.asset.symbol} of this run" if outcome.in_doubt else ""
        yield f"{outcome.open} in doubt{worth}"
    if outcome.undelivered:
        yield f"{outcome.undelivered} paid and undelivered"
    for failure in outcome.loaded.failures[:1]:
        yield f"failed body {failure.purchase_id} ({failure.dataset}): {failure.message}"
    for cells in outcome.unconfirmed[:1]:
        yield f"{counted(cells.cells, 'cell')} of {cells.dataset} not delivered ({cells.span}): {cells.again}"
    if outcome.left_calls:
        yield f"{counted(outcome.left_calls, 'call')} left, {outcome.money(outcome.left_atomic)} {outcome.asset.symbol}"
    yield from _prices(outcome)


def _prices(outcome: Outcome) -> Iterator[str]:
    """Name each price that moved while the run was buying."""
    for change in outcome.price_changes:
        before, after = outcome.money(change.before), outcome.money(change.after)
        yield f"the price of {change.dataset} moved from {before} to {after} {outcome.asset.symbol}"


def books_verdict(books: Books) -> Verdict:
    """Completed when ledger and chain agree and nothing is lost or in doubt, else Failed: losses, doubt, the first
    difference. Doubt alone may pass."""
    if books.exit_code == 0:
        return Verdict(Completed(message="ledger and chain agree to the unit"))
    found = f"{len(books.differences)} differences; {books.differences[0]}" if books.differences else ""
    agree = "" if books.differences else "ledger and chain agree to the unit"
    reasons = (books.loss_text, books.doubt_text, found, agree)
    only_doubt = bool(books.in_doubt) and not books.losses and not books.differences
    return Verdict(Failed(message="; ".join(part for part in reasons if part)), only_doubt)


def done(text: str) -> Verdict:
    return Verdict(Completed(message=text))


def failure(error: PayerError) -> Verdict:
    """Failed with the error and its three sentences: money, repeat, advice."""
    words = f"{error.what}. Money: {error.money}. Run it again? {error.repeat}. What to do: {error.fix}"
    return Verdict(Failed(message=words), worth_repeating(error))
