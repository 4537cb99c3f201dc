"""Operator approval of a backfill's bill in Prefect, bound to one plan, one amount and one deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import ConfigDict, Field

from payer.values.clock import Clock
from payer.values.errors import OverBudget, Refused
from payer.values.money import parse_decimal
from tasks.buy.bill import Bill
from tasks.prefect.artifacts import bill_artifact
from tasks.request.counted import counted


def plan_field(code: str = "") -> Any:
    """The plan's code. A field is made again for each bill: Prefect's `with_initial_data` keeps no title of a value."""
    return Field(code, title="Code of the plan", description="The plan's code, as it is shown above.")


def at_most_field(amount: str = "") -> Any:
    return Field(
        amount,
        title="Spend at most",
        description="In the seller's asset, plain digits such as 3.40; no less than the bill.",
    )


class ApprovalInput(RunInput):
    """The form that resumes the paused run. `plan` is the code shown beside the bill.

    All of it is required: Prefect's form calls a field with a default optional.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"required": ["approve", "plan", "at_most"]})

    approve: bool = Field(False, title="Buy it", description="Yes, buy exactly this plan. Otherwise nothing is bought.")
    plan: str = plan_field()
    at_most: str = at_most_field()


def approval_form(bill: Bill, expires: datetime) -> type[ApprovalInput]:
    """Return the form of one bill, its code and amount filled in, with a text that names both and the deadline."""
    calls = counted(bill.calls, "call")
    amount = bill.money(bill.amount_atomic)
    paragraphs = (
        f"**{calls} for {amount} {bill.asset.symbol}**: {bill.flow}",
        f"To buy exactly this plan, before {expires:%Y-%m-%d %H:%M} UTC, switch on *Buy it* and submit. Filled in are "
        f"the plan's code, `{bill.fingerprint}`, and the bill's amount, `{amount}`: nothing less buys it.",
    )
    return ApprovalInput.with_initial_data(
        description="\n\n".join(paragraphs), plan=plan_field(bill.fingerprint), at_most=at_most_field(amount)
    )


@dataclass(frozen=True, slots=True)
class PausingApproval:
    """Approves a bill up to `threshold`; above it, pauses the run for an ApprovalInput. Amounts in atomic units."""

    threshold: int
    budget: int | None
    seconds: int
    clock: Clock

    async def __call__(self, bill: Bill) -> int | None:
        await bill_artifact(bill)
        if self.budget is not None and bill.amount_atomic > self.budget:
            amount = bill.money(bill.amount_atomic)
            raise OverBudget(
                f"max_cost is {bill.money(self.budget)} and the bill is {amount} {bill.asset.symbol}",
                advice=f"start it again with max_cost {amount}, or a smaller range",
            )
        if bill.refusal is not None:
            raise bill.refusal
        if bill.amount_atomic <= self.threshold:
            return bill.amount_atomic
        expires = self.clock.now() + timedelta(seconds=self.seconds)
        answer = await self._ask(bill, expires)
        return judge_approval(bill, answer, now=self.clock.now(), expires=expires)

    async def _ask(self, bill: Bill, expires: datetime) -> ApprovalInput:
        form: Any = approval_form(bill, expires)
        try:
            answer: Any = await pause_flow_run(wait_for_input=form, timeout=self.seconds, poll_interval=2)
        except FlowPauseTimeout:
            raise Refused(f"nobody approved the bill of {bill.money(bill.amount_atomic)} in time") from None
        return ApprovalInput(approve=answer.approve, plan=answer.plan, at_most=answer.at_most)


def judge_approval(bill: Bill, answer: ApprovalInput, *, now: datetime, expires: datetime) -> int:
    """Return the atomic units that may be spent. Raises Refused for a no, another plan's code, too little, too late."""
    if not answer.approve:
        raise Refused(
            "the bill was not approved: nothing was bought", advice="start the backfill again to be asked again"
        )
    if now > expires:
        raise Refused("the approval came too late", advice="start the backfill again to be asked again")
    if answer.plan != bill.fingerprint:
        raise Refused(
            f"the approval is for plan {answer.plan!r}, not for {bill.fingerprint}",
            advice="approve the plan that is shown",
        )
    try:
        at_most = parse_decimal(answer.at_most, bill.asset.decimals)
    except ValueError as error:
        raise Refused(f"at_most: {error}", advice="write plain digits such as 3.40") from None
    if at_most < bill.amount_atomic:
        raise OverBudget(
            f"approved are {answer.at_most} and the bill is {bill.money(bill.amount_atomic)} {bill.asset.symbol}",
            advice="approve the whole bill, or start a smaller range",
        )
    return at_most
