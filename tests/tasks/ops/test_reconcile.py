"""The document of `reconcile`: every asset in its own atomic units."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payer.settle.reconcile import Reconciled
from payer.settle.scan import Balance
from tasks.ops.reconcile import Books
from tests.payer import purchases as p

TMAI = replace(p.USDC, symbol="TMAI", address="0x" + "dd" * 20, decimals=18)


def closed(asset: str, amount: int) -> Reconciled:
    return Reconciled({"USDC": p.USDC, "TMAI": TMAI}[asset], p.PAYER, 100, amount, amount, Balance.EQUAL)


@pytest.mark.parametrize(
    ("assets", "amount"),
    [
        pytest.param((closed("USDC", 51_000),), 51_000, id="one"),
        pytest.param((closed("USDC", 51_000), closed("TMAI", 0)), 51_000, id="one-of-two-moved"),
        pytest.param((closed("USDC", 51_000), closed("TMAI", 10**18)), None, id="two-moved"),
        pytest.param((closed("USDC", 0), closed("TMAI", 0)), 0, id="none-moved"),
    ],
)
def test_amounts_of_different_assets_are_never_added_up(assets: tuple[Reconciled, ...], amount: int | None) -> None:
    document = Books(assets, ()).document()
    assert (document["ledger_atomic"], document["chain_atomic"]) == (amount, amount)
    assert [one["ledger_atomic"] for one in document["assets"]] == [one.ledger_atomic for one in assets]
