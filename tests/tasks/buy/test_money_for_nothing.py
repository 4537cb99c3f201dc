"""I12: a seller that takes money and gives nothing that can be used is paid no more than policy's loss limit bears."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payer.values.errors import OverBudget
from tasks.ops.accept_loss import accept, losses_by_id
from tasks.ops.publish import cost_table
from tasks.ops.recovery import recover_all
from tasks.ops.status import read_status
from tests.tasks.conftest import PRICE, Desk

PARALLEL = 2
LIMIT, CALLS = 2 * PRICE, 6
POLICY = ("tokens = [", f'parallel = {PARALLEL}\nloss_limit = "0.034"\ntokens = [')
NOTHING: dict[str, tuple[str, dict[str, Any]]] = {
    "403": ("status_after", {"status": 403}),
    "404": ("status_after", {"status": 404}),
    "404-without-receipt": ("status_after_bare", {"status": 404}),
    "failed-envelope": ("failed_envelope", {}),
    "html": ("html_body", {}),
    "empty-body": ("empty_body", {}),
    "other-columns": ("wrong_schema", {}),
    "unreadable-rows": ("unreadable_rows", {}),
    "body-cut-without-a-length": ("cut_body", {}),
}
ARRIVES = {"failed-envelope", "html", "empty-body", "other-columns", "unreadable-rows", "body-cut-without-a-length"}


@pytest.mark.parametrize("kind", NOTHING)
def test_losses_stay_below_the_limit_and_what_was_on_its_way(desk: Desk, kind: str) -> None:
    """Six calls approved at once; one bad answer after another, whatever it looks like."""
    fault, parameters = NOTHING[kind]
    desk.changes = [POLICY]
    desk.world.faults.add(fault, times=None, **parameters)
    done = desk.backfill(CALLS)
    assert LIMIT <= desk.taken() <= LIMIT + PARALLEL * PRICE
    assert done.exit_code == 5
    assert len(done.loaded.failures) == (desk.taken() // PRICE if kind in ARRIVES else 0)
    assert done.undelivered == (0 if kind in ARRIVES else desk.taken() // PRICE)
    assert done.left_calls == CALLS - desk.taken() // PRICE
    taken = desk.taken()
    with pytest.raises(OverBudget, match=r"loss_limit is 0\.034"):
        desk.backfill(CALLS)
    assert desk.taken() == taken


def test_a_failed_delivery_stands_in_every_report_until_an_operator_reopens_it(desk: Desk) -> None:
    desk.changes = [("tokens = [", 'loss_limit = "0"\ntokens = [')]
    desk.world.faults.add("html_body")
    done = desk.backfill(1)
    [failure] = done.loaded.failures
    assert (done.exit_code, done.calls_paid) == (5, 1)
    assert done.document()["failed_bodies"][0]["purchase_id"] == failure.purchase_id
    status = desk.work(lambda ws: asyncio.sleep(0, read_status(ws)))
    assert [p.purchase_id for p in status.failed] == [failure.purchase_id]
    assert (status.document()["lost"], status.undelivered) == ({"USDC": "0.017"}, ())
    recovered = desk.work(recover_all)
    assert (recovered.exit_code, recovered.document()["failed"]) == (5, 1)
    [row] = desk.work(lambda ws: cost_table(ws, "purchase")).rows
    assert (row["loss"], row["amount"], row["money"]) == ("0.017", "0.017", "spent")
    assert row["failure"].startswith("malformed: not JSON")
    [day] = desk.work(lambda ws: cost_table(ws, "day")).rows
    assert day["loss"] == "0.017"
    desk.world.wait_until("the payment is final", lambda: settled(desk))
    desk.work(lambda ws: asyncio.sleep(0, accept(ws, losses_by_id(ws, [failure.purchase_id]))))
    bought = desk.backfill(1)
    assert (bought.exit_code, bought.calls_paid, desk.taken()) == (0, 1, 2 * PRICE)


def settled(desk: Desk) -> bool:
    desk.work(recover_all)

    async def final(ws: Any) -> bool:
        return all(not p.settling for p in ws.ledger.purchases())

    return desk.work(final)


def test_loading_books_a_verdict_that_the_buyer_did_not_live_to_book(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body is in the ledger, and the process died before it was judged."""
    monkeypatch.setattr("payer.buy.send.judge_body", lambda context, purchase: purchase)
    desk.world.faults.add("html_body")
    done = desk.backfill(1)
    assert done.exit_code == 5
    status = desk.work(lambda ws: asyncio.sleep(0, read_status(ws)))
    assert [(p.purchase_id, p.failure) for p in status.failed] == [
        (failure.purchase_id, f"malformed: {failure.message}") for failure in done.loaded.failures
    ]
