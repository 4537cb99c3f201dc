"""PostgreSQL gone for an hour: told, nothing signed, nothing paid twice, and the published set stays readable."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from payer.ledger import Ledger
from payer.values.purchase import Money
from sandbox.world import World
from tests.cluster.check import command
from tests.cluster.servers import Postgres
from tests.crash.child import begin, finish

HOUR = 3600


def test_an_hour_without_postgresql_costs_no_payment_and_no_row(own_world: World, tmp_path: Path) -> None:
    """I1, I5. The server dies while a paid answer is on its way."""
    world, out = own_world, tmp_path / "said.json"
    buyer = world.buyer("gone")
    with Postgres() as postgres:
        env = {**buyer.env, "TOLLBOOK_LEDGER_URL": postgres.url()}

        def tollbook(*words: str) -> tuple[int, str]:
            finish(begin(command, env, list(words), str(out)))
            code, said = json.loads(out.read_text())
            return code, said

        assert tollbook("run", "signals")[0] == 0
        world.settings.latency = 3.0
        running = begin(command, env, ["run", "grades"], str(out))
        paid = len(world.transfers(buyer.address))
        world.wait_until("a payment", lambda: len(world.transfers(buyer.address)) > paid, 120)
        postgres.kill()
        finish(running)
        code, said = json.loads(out.read_text())
        assert code != 0
        assert "ledger" in said
        before = len(world.transfers(buyer.address))
        for words in (("run", "moonshots"), ("recover",), ("reconcile",)):
            code, said = tollbook(*words)
            assert code != 0
            assert "the ledger can't be opened" in said
        assert len(world.transfers(buyer.address)) == before
        with duckdb.connect(str(buyer.home / "published" / "warehouse.duckdb"), read_only=True) as con:
            assert con.execute("SELECT count(*) > 0 FROM signals").fetchall() == [(True,)]
        world.clock.advance(HOUR)
        world.settings.latency = 0.0
        postgres.start()
        env["TOLLBOOK_CLOCK_OFFSET"] = repr(world.clock.offset)
        assert tollbook("run", "grades")[0] == 0
        assert tollbook("reconcile")[0] == 0
        with Ledger.open(postgres.url()) as ledger:
            spent = [each for each in ledger.purchases() if each.money is Money.SPENT]
    moved = [str(transfer["tx_hash"]) for transfer in world.transfers(buyer.address)]
    assert sorted(moved) == sorted(each.settlement.tx_hash for each in spent if each.settlement)
    assert len({each.purchase_key for each in spent}) == len(spent)
