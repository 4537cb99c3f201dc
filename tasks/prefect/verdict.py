"""The final state of a flow run: its outcome in the words of the command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from payer.values.errors import PayerError
from tasks.buy.outcome import Outcome
from tasks.ops.reconcile import Books


def verdict(outcome: Outcome) -> State[Any]:
    """Completed for exit code 0, Cancelled for a stopped run, else Failed with what is in the way. Money first."""
    text = f"{outcome.calls_paid} paid calls, {outcome.money(outcome.amount_atomic)} {outcome.asset.symbol}"
    if outcome.interrupted:
        return Cancelled(message="; ".join((f"stopped: {text}", *_reasons(outcome))))
    if outcome.exit_code == 0:
        words = (text, f"{outcome.calls_avoided} saved by the cache", *_prices(outcome))
        return Completed(message="; ".join(words), data=outcome.document())
    return Failed(message=f"{text}; {'; '.join(_reasons(outcome))} (exit code {outcome.exit_code})")


def _reasons(outcome: Outcome) -> Iterator[str]:
    for problem in outcome.problems[:1]:
        yield problem.what
    if outcome.open:
        yield f"{outcome.open} in doubt"
    if outcome.undelivered:
        yield f"{outcome.undelivered} paid and undelivered"
    for failure in outcome.loaded.failures[:1]:
        yield f"failed body {failure.purchase_id} ({failure.dataset}): {failure.message}"
    if outcome.left_calls:
        yield f"{outcome.left_calls} calls left"
    yield from _prices(outcome)


def _prices(outcome: Outcome) -> Iterator[str]:
    """Name each price that moved while the run was buying."""
    for change in outcome.price_changes:
        before, after = outcome.money(change.before), outcome.money(change.after)
        yield f"the price of {change.dataset} moved from {before} to {after} {outcome.asset.symbol}"


def books_verdict(books: Books) -> State[Any]:
    """Completed when ledger and chain agree and nothing is lost, else Failed with losses and the first difference."""
    if books.exit_code == 0:
        return Completed(message="ledger and chain agree to the unit")
    found = f"{len(books.differences)} differences; {books.differences[0]}" if books.differences else ""
    agree = "" if books.differences else "ledger and chain agree to the unit"
    return Failed(message="; ".join(part for part in (books.loss_text, found, agree) if part))


def done(text: str) -> State[Any]:
    return Completed(message=text)


def stopped() -> State[Any]:
    """Cancelled before anything was bought."""
    return Cancelled(message="stopped before anything was bought")


def failure(error: PayerError) -> State[Any]:
    """Failed with the error and its three sentences: money, repeat, advice."""
    return Failed(message=f"{error.what}. Money: {error.money}. Run it again? {error.repeat}. What to do: {error.fix}")
