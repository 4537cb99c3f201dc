"""Steps as Prefect tasks: what Prefect can see of their arguments, and what it repeats."""

from __future__ import annotations

from typing import Any

import pytest

from payer.values.errors import ChainUnreachable, OverBudget
from tests.payer import purchases


def test_prefect_finds_no_argument_of_a_step_and_names_its_run_by_the_purchase() -> None:
    """I10: Prefect walks into whatever a task is given, and shows what it finds."""
    from prefect.utilities.collections import visit_collection

    from tasks.buy.purchase import buy
    from tasks.prefect.steps import Call

    purchase = purchases.reserved()
    call = Call(buy, ("a workspace", purchase), {})
    found: list[object] = []
    visit_collection(call, visit_fn=found.append)
    assert found == [call]
    assert str(call) == f"buy {purchase.order.dataset} of 0 for 0.02 USDC"
    assert repr(call) == f"<{call}>"


def test_no_task_has_a_tag() -> None:
    """Prefect asks its server for a slot of each tag's limit before a task runs: one that is gone would stop paying."""
    from tasks.prefect import steps

    everything = [*vars(steps).values(), *map(steps.as_task, steps.RETRIES)]
    made = [each for each in everything if hasattr(each, "prefect_task")]
    assert len(made) >= 11
    assert [each.prefect_task.tags for each in made if each.prefect_task.tags] == []


@pytest.mark.parametrize(("error", "repeated"), [(ChainUnreachable("away"), True), (OverBudget("cap"), False)])
def test_only_what_could_not_reach_a_peer_is_repeated(error: Exception, repeated: bool) -> None:
    from prefect.states import Failed

    from tasks.prefect.steps import _worth_repeating

    unused: Any = None
    assert _worth_repeating(unused, unused, Failed(data=error)) is repeated
