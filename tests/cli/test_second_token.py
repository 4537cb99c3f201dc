"""`pay_with = "TMAI"`: the same flow, in another token of 18 decimals, from plan to closed books."""

from __future__ import annotations

from payer.ledger import Ledger
from sandbox.world import Buyer, World
from tests.cli.conftest import Command
from tests.payer import sandbox_policy
from tests.payer.onchain import assert_books_equal_chain, wait_until_final
from warehouse.query import query

PRICE = 17_000 * 9 // 10 * 20 * 10**12
"""A call's price in TMAI: ten per cent less, at twenty to the dollar."""


def test_a_flow_is_planned_bought_and_reconciled_in_the_second_token(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I3, I5: its own caps, its own atomic units; no dollar moves."""
    world.settings.update(tmai=True)
    world.buyer(buyer.home.name, symbol="TMAI")
    before = {symbol: world.balance(buyer.address, symbol) for symbol in world.tokens}
    policy = buyer.home / "policy.toml"
    policy.write_text(sandbox_policy.policy(world, pay_with="TMAI"))
    tollbook.env["TOLLBOOK_POLICY"] = str(policy)
    plan = tollbook("plan", "grades", "--json").document
    assert (plan["calls"], plan["flows"][0]["asset"], plan["amount"]) == (3, "TMAI", "0.918")
    run = tollbook("run", "grades", "--json")
    assert (run.code, run.document["calls_paid"], run.document["amount"]) == (0, 3, "0.918"), run.out
    assert before["TMAI"] - world.balance(buyer.address, "TMAI") == 3 * PRICE
    assert before["USDC"] == world.balance(buyer.address, "USDC")
    wait_until_final(world)
    books = tollbook("reconcile", "--json")
    assert (books.code, books.document["clean"]) == (0, True), books.out
    assert books.document["ledger_atomic"] == books.document["chain_atomic"] == 3 * PRICE
    by_asset = {one["asset"]: (one["ledger"], one["balance"]) for one in books.document["assets"]}
    assert by_asset == {"USDC": ("0", "equal"), "TMAI": ("0.918", "equal")}
    with Ledger.open(f"sqlite:///{buyer.home}/state/ledger.db") as ledger:
        assert_books_equal_chain(world, buyer.address, [ledger], before=before["TMAI"], symbol="TMAI")
    [(asset, amount_atomic, rows)] = query(
        buyer.home, "SELECT asset, sum(amount_atomic)::VARCHAR, sum(rows_delivered) FROM costs GROUP BY ALL"
    )[1]
    assert (asset, amount_atomic) == ("TMAI", str(3 * PRICE))
    assert rows > 100
    assert tollbook("run", "grades", "--json").document["calls_paid"] == 0
