"""Names of task runs: dataset, window, keys and amount."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from payer.values.purchase import Purchase
from tests.payer import purchases

DAY = 20_786
"""2026-11-29."""


def bought(dataset: str, **context: Any) -> Purchase:
    made = purchases.reserved()
    return changed(made, order=replace(made.order, dataset=dataset, context=context))


@pytest.mark.parametrize(
    ("purchase", "name"),
    [
        (bought("tm-grade", keys=["3306", "3375"], first=DAY, last=DAY), "buy tm-grade 2026-11-29 of 3306, 3375"),
        (
            bought("trading-signals", keys=["3375"], first=DAY - 28, last=DAY, page=2, first_page=1),
            "buy trading-signals 2026-11-01 to 2026-11-29 of 3375 page 2",
        ),
        (
            bought("hourly-trading-signals", keys=["*"], first=DAY * 24 + 13, last=DAY * 24 + 13, page=1, first_page=1),
            "buy hourly-trading-signals 2026-11-29T13",
        ),
        (bought("tm-grade", keys=list("abcd"), first=DAY, last=DAY), "buy tm-grade 2026-11-29 of 4 keys"),
        (bought("nobody-declares-it"), "buy nobody-declares-it"),
        (bought("tm-grade", first="x", last=None), "buy tm-grade of 0"),
        (bought("tm-grade", first=10**30, last=10**30), "buy tm-grade of 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_is_named_by_dataset_window_keys_and_amount(purchase: Purchase, name: str) -> None:
    from tasks.prefect.steps import task_name

    assert task_name("buy", ("a run", purchase)) == f"{name} for 0.02 USDC"


def test_other_steps_are_named_by_what_they_are_about() -> None:
    from tasks.prefect.steps import task_name
    from tests.tasks.prefect.test_artifacts import BILL

    assert task_name("approve", (object(), object(), BILL)) == "approve 2 calls, 0.034 USDC"
    assert task_name("recover", (object(), "grades")) == "recover grades"
    assert task_name("recover", (object(), None)) == "recover"
    assert task_name("verify", (object(), [])) == "verify"
    assert task_name("load", (object(),)) == "load"
    assert task_name("reconcile_all", ()) == "reconcile"
