"""`tollbook run` is SIGKILLed while it loads, snapshots and publishes; then it is run again: all there, paid once.

A usual run dies at one point of each, one after the other; with SCALE=2 there is one for each point.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from payer.ledger import Ledger
from tests.cli.conftest import Command, tollbook
from tests.crash import child
from tests.payer.onchain import assert_books_equal_chain, wait_until_final
from tests.scale import LONG
from tests.stores import new_ledger_url
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["tollbook"]

USUAL = ("load.before_commit", "snapshot.before_manifest", "publish.before_swap")
OTHERS = (
    *("load.after_commit", "snapshot.written", "snapshot.after_manifest"),
    *("publish.snapshots", "publish.before_commit", "publish.linked", "publish.after_swap"),
)
DEATHS = [USUAL, *((one,) for one in OTHERS)] if LONG else [USUAL]


def rows(buyer: Buyer) -> int:
    """Count the rows an analyst reads; 0 before the first publication."""
    if not (buyer.home / "published" / "warehouse.duckdb").exists():
        return 0
    found: Any = query(buyer.home, "SELECT count(*) FROM grades")[1]
    return int(found[0][0])


def assert_whole(tollbook: Command, world: World, buyer: Buyer, url: str, before: int) -> None:
    """I1, I3, I5, I7, I8."""
    done = tollbook("run", "grades", "--json")
    assert (done.code, done.document["calls_paid"], done.document["undelivered"]) == (0, 0, 0), done.out
    assert len(world.transfers(buyer.address)) == 3
    with Ledger.open(url) as ledger:
        assert_books_equal_chain(world, buyer.address, [ledger], before=before)
    proved = "SELECT count(*) FROM grades JOIN costs c USING (purchase_id) WHERE c.tx_hash IS NOT NULL"
    assert query(buyer.home, proved)[1] == [(rows(buyer),)]
    assert rows(buyer) > 100


@pytest.mark.parametrize("deaths", DEATHS, ids="-".join)
def test_a_run_killed_after_it_paid_is_whole_after_the_next(
    tollbook: Command, world: World, buyer: Buyer, deaths: tuple[str, ...]
) -> None:
    before = world.balance(buyer.address)
    for point in deaths:
        assert child.run_command(tollbook.env, "run", "grades", crash_at=point) == child.KILLED, point
        assert len(world.transfers(buyer.address)) == 3
        assert rows(buyer) == 0 or rows(buyer) > 100
    assert_whole(tollbook, world, buyer, f"sqlite:///{buyer.home}/state/ledger.db", before)


def test_a_recovery_killed_while_it_takes_over_published_rows_is_whole_after_the_next(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I1: ledger and cache are lost; nothing is paid for what the published files hold."""
    assert tollbook("run", "tm-grade", "--json").code == 0
    paid, bought = len(world.transfers(buyer.address)), query(buyer.home, "SELECT * FROM grades ORDER BY ALL")
    for path in [*(buyer.home / "state").glob("ledger.db*"), *(buyer.home / "state").glob("cache.duckdb*")]:
        path.unlink()
    for point in ("adopt.before_swap", "adopt.after_swap"):
        assert child.run_command(tollbook.env, "recover", crash_at=point) == child.KILLED, point
    assert tollbook("recover", "--json").code == 0
    done = tollbook("run", "tm-grade", "--json")
    assert (done.code, done.document["calls_paid"], len(world.transfers(buyer.address))) == (0, 0, paid), done.out
    assert query(buyer.home, "SELECT * FROM grades ORDER BY ALL") == bought


def test_a_ledger_on_postgresql_is_killed_recovered_reconciled_and_rebuilt(
    request: pytest.FixtureRequest, tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """The whole of a user's story with TOLLBOOK_LEDGER_URL: nothing of the ledger lies in the home."""
    url = new_ledger_url(request, "postgresql", tmp_path)
    tollbook.env["TOLLBOOK_LEDGER_URL"] = url
    before = world.balance(buyer.address)
    world.settings.update(resend="served")
    assert child.run_command(tollbook.env, "run", "grades", crash_at="answered:2") == child.KILLED
    recovered = tollbook("recover", "--json")
    assert recovered.code == 0, recovered.out
    assert tollbook("run", "grades", "--json").code == 0
    assert_whole(tollbook, world, buyer, url, before)
    wait_until_final(world)
    books = tollbook("reconcile", "--json")
    assert (books.code, books.document["ledger_atomic"]) == (0, before - world.balance(buyer.address)), books.out
    bought = query(buyer.home, "SELECT * FROM grades ORDER BY ALL")
    (buyer.home / "state" / "cache.duckdb").unlink()
    assert tollbook("rebuild", "--json", TOLLBOOK_PRIVATE_KEY=None).code == 0
    assert query(buyer.home, "SELECT * FROM grades ORDER BY ALL") == bought
    assert not list(buyer.home.rglob("ledger.db*"))
