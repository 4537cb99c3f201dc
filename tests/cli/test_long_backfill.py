"""A long backfill, killed twice on the way: `make backfill` runs 50 tokens × 365 days of it and prints the figures.

BACKFILL=TOKENSxDAYS sets the size; the small one here takes the same path in a few seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.values.money import parse_decimal
from sandbox.market.tokens import HISTORY_START
from tests.cli.conftest import Command
from tests.cli.process import COMMAND
from tests.payer.onchain import payments

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

SIZE = os.environ.get("BACKFILL", "")
TOKENS, DAYS = map(int, (SIZE or "6x120").split("x"))
KILLED_AT = (0.22, 0.60)
"""Shares of the bill's calls that have settled when the process is killed: of 183 calls, after 40 and after 110."""


IN_FLIGHT = 8 if SIZE else 2
"""Calls at once: what a killed process leaves behind must be few beside the bill."""


@dataclass(frozen=True)
class Long:
    """The demand: as many tokens as the size says, all listed before the range begins, and its days."""

    world: World
    buyer: Buyer
    policy: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        last = self.world.clock.now().date() - timedelta(days=2)
        first = last - timedelta(days=DAYS - 1)
        old = [token for token in self.world.market.catalogue.tokens if token.listed == HISTORY_START]
        ids = ",".join(str(token.token_id) for token in old[:TOKENS])
        return ("backfill", "signals", "--from", f"{first}", "--to", f"{last}", "--tokens", ids)

    @property
    def settled(self) -> int:
        return len(self.world.transfers(self.buyer.address))

    def kill_once(self, settled: int) -> int:
        """Run it in a child and SIGKILL that once so many payments have settled; how many had, when it was dead."""
        command = [*COMMAND, *self.arguments, "--yes", "--json"]
        quiet = subprocess.DEVNULL
        env = {**os.environ, **self.buyer.env, "TOLLBOOK_POLICY": str(self.policy)}
        with subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet) as child:
            deadline = time.monotonic() + 250
            while self.settled < settled:
                assert child.poll() is None, "it ended before it was to be killed"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            child.send_signal(signal.SIGKILL)
        return self.settled


@pytest.fixture
def long(world: World, buyer: Buyer, tmp_path: Path) -> Long:
    """The seller serves a proof of payment again: what the killed processes paid for is claimed, not lost."""
    world.settings.update(resend="served")
    policy = tmp_path / "policy.toml"
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    policy.write_text(text.replace("[sellers.tokenmetrics]\n", f"[sellers.tokenmetrics]\nparallel = {IN_FLIGHT}\n"))
    return Long(world, buyer, policy)


def test_a_long_backfill_killed_twice_repeats_no_call_and_costs_its_bill(
    long: Long, tollbook: Command, world: World, buyer: Buyer, capsys: pytest.CaptureFixture[str]
) -> None:
    """I1, I5: unique nonces on chain = calls of the first bill; cost = bill to the unit; the same again: $0."""
    began = time.monotonic()
    bill = tollbook(*long.arguments, "--dry-run", "--json").document
    amount_atomic = parse_decimal(bill["amount"], 6)
    killed = [long.kill_once(round(share * bill["calls"])) for share in KILLED_AT]
    assert max(killed) < bill["calls"], "it was killed before its end"
    done = tollbook(*long.arguments, "--yes", "--json")
    assert done.code == 0, done.out
    paid = payments(world, buyer.address)
    assert len({one.nonce for one in paid}) == len(paid) == bill["calls"]
    assert sum(one.value for one in paid) == amount_atomic
    head = int(world.rpc.call("eth_blockNumber", []), 16)
    world.wait_until("the last payment is safe", lambda: safe_block(world) >= head)
    books = tollbook("reconcile", "--json").document
    assert (books["clean"], books["ledger_atomic"], books["chain_atomic"]) == (True, amount_atomic, amount_atomic)
    status = tollbook("status", "--json").document
    assert (status["open"], status["undelivered"]) == ([], [])
    seconds = time.monotonic() - began
    again = tollbook(*long.arguments, "--yes", "--json").document
    assert (again["calls_paid"], again["amount"], again["calls_avoided"]) == (0, "0", bill["calls"])
    assert long.settled == bill["calls"]
    rows = rows_of(buyer, "signals")
    assert rows == TOKENS * DAYS
    if SIZE:
        with capsys.disabled():
            print(f"""
{TOKENS} tokens × {DAYS} days of signals
  the bill        {bill["calls"]} calls, {bill["amount"]} USDC
  killed          with {killed[0]} and with {killed[1]} payments settled
  on chain        {len(paid)} transfers, {len({one.nonce for one in paid})} nonces, {bill["amount"]} USDC
  ledger          {books["ledger_atomic"]} atomic units, chain {books["chain_atomic"]}: clean
  rows            {rows}; undelivered 0
  the same again  {again["calls_paid"]} calls, {again["amount"]} USDC; {again["calls_avoided"]} calls avoided
  all in all      {seconds:.0f} s""")


def safe_block(world: World) -> int:
    return int(world.rpc.call("eth_getBlockByNumber", ["safe"])["number"], 16)


def rows_of(buyer: Buyer, table: str) -> int:
    """Rows in a published table."""
    from warehouse.query import query

    [(count,)] = query(Path(buyer.env["TOLLBOOK_HOME"]), f"SELECT count(*) FROM {table}")[1]
    return int(count)


def test_a_bill_above_what_a_run_may_cost_is_refused_naming_the_cap_and_what_would_fit(
    long: Long, tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I6: the shipped per_run of 1.00 refuses the bill of a year."""
    cap = "1.00" if SIZE else "0.05"
    long.policy.write_text(long.policy.read_text().replace('per_run = "50.00"', f'per_run = "{cap}"'))
    bill = tollbook(*long.arguments, "--dry-run", "--json").document
    said = tollbook(*long.arguments, "--yes", TOLLBOOK_POLICY=str(long.policy))
    assert said.code == 3
    assert f"caps.USDC.per_run is {cap.rstrip('0').rstrip('.')} USDC" in said.err
    assert f"{bill['amount']} USDC" in said.err
    assert "fewer days or tokens" in said.err
    assert "Money: none was sent." in said.err
    assert world.transfers(buyer.address) == []
