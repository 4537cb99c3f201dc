"""The document of `reconcile`: every asset in its own atomic units."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payer.settle.reconcile import Reconciled
from payer.settle.scan import Balance
from tasks.ops.reconcile import Books
from tests.payer import purchases as p

TMAI = replace(p.USDC, symbol="TMAI", address="0x" + "dd" * 20, decimals=18)


def closed(asset: str, atoms: int) -> Reconciled:
    return Reconciled({"USDC": p.USDC, "TMAI": TMAI}[asset], p.PAYER, 100, atoms, atoms, Balance.EQUAL)


@pytest.mark.parametrize(
    ("assets", "atoms"),
    [
        pytest.param((closed("USDC", 51_000),), 51_000, id="one"),
        pytest.param((closed("USDC", 51_000), closed("TMAI", 0)), 51_000, id="one-of-two-moved"),
        pytest.param((closed("USDC", 51_000), closed("TMAI", 10**18)), None, id="two-moved"),
        pytest.param((closed("USDC", 0), closed("TMAI", 0)), 0, id="none-moved"),
    ],
)
def test_atoms_of_different_assets_are_never_added_up(assets: tuple[Reconciled, ...], atoms: int | None) -> None:
    document = Books(assets, ()).document()
    assert (document["ledger_atomic"], document["chain_atomic"]) == (atoms, atoms)
    assert [one["ledger_atomic"] for one in document["assets"]] == [one.ledger_atomic for one in assets]
