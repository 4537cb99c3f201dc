"""Runs that nobody watches: each automation of `tollbook deploy` is seen to tell a webhook on loopback, and a server
that is killed keeps no payment from the books.

Flow runs are started as a worker starts them. Only the automations' waiting is shorter than in the files, and Prefect's
patience with a server that is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from payer.ledger import Ledger
from payer.values.purchase import Data, Money
from tests.docs.page import PROJECT
from tests.flows.server import BIN, Prefect
from tests.warehouse.empty_home import shared_empty_home
from tests.webhook import Webhook, serving
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

ENGINE = (sys.executable, "-m", "tasks.prefect.process")
"""The command of prefect.yaml's work pool."""
IMPATIENT = {"PREFECT_CLIENT_MAX_RETRIES": "2"}
"""A run's requests to a server that does not answer are given up after seconds, not half a minute each."""
FEWER_WRITERS = {f"PREFECT_SERVER_SERVICES_{each}_ENABLED": "false" for each in ("SCHEDULER", "LATE_RUNS", "FOREMAN")}
"""Services of the server that these tests need not, and that would lock its database now and then."""
SHORTEST = 10
"""Seconds that Prefect lets an automation wait at least."""


@pytest.fixture(scope="module")
def buyer(session_world: World) -> Buyer:
    """With a home that has published: its runs need not begin the file."""
    made = session_world.buyer("told")
    shutil.copytree(shared_empty_home(), made.home, dirs_exist_ok=True)
    return made


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


@pytest.fixture(scope="module")
def prefect(buyer: Buyer, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server with a notification block, deployed to as the page says. It has no worker: each test starts its runs."""

    def add_block(server: Prefect) -> None:
        kind = server.get("/block_types/slug/custom-webhook")["id"]
        [schema] = server.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
        url = f"http://127.0.0.1:{webhook.server_address[1]}/"
        data = {"name": "people", "url": url, "json_data": {"title": "{{subject}}", "message": "{{body}}"}}
        block = {"name": "tollbook-alerts", "data": data, "block_type_id": kind, "block_schema_id": schema["id"]}
        server.post("/block_documents/", block)

    env = {**buyer.env, **FEWER_WRITERS, **IMPATIENT}
    with Prefect(tmp_path_factory.mktemp("prefect"), env, before_deploying=add_block) as running:
        yield running


def told(webhook: Webhook, start: str) -> list[str]:
    """The texts of messages whose title begins so, each once: Prefect says one again when its SQLite was locked."""
    return list(dict.fromkeys(each["message"] for each in webhook.received if each["title"].startswith(start)))


def shorten(prefect: Prefect, name: str, seconds: float) -> None:
    """Have an automation miss what it waits for after so long."""
    found = prefect.automation(name)
    assert found["trigger"]["within"] > seconds
    [one] = [each["id"] for each in prefect.post("/automations/filter", {}) if each["name"] == name]
    prefect.put(f"/automations/{one}", {**found, "trigger": {**found["trigger"], "within": seconds}})


@contextmanager
def running(prefect: Prefect, flow: str, **parameters: object) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A run of the flow's deployment, in the process that a worker would start; its id and that process."""
    [flow_id] = [each["id"] for each in prefect.post("/flows/filter", {}) if each["name"] == flow]
    [one] = [each["id"] for each in prefect.post("/deployments/filter", {}) if each["flow_id"] == flow_id]
    body = {"state": {"type": "PENDING"}, "parameters": parameters}
    run = prefect.post(f"/deployments/{one}/create_flow_run", body)["id"]
    with (prefect.home / "runs.log").open("ab") as log:
        env = {**prefect.env, "PREFECT__FLOW_RUN_ID": run}
        child = subprocess.Popen(ENGINE, cwd=PROJECT, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield run, child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def run(prefect: Prefect, flow: str, **parameters: object) -> dict[str, Any]:
    """A run of the flow's deployment, ended."""
    with running(prefect, flow, **parameters) as (which, child):
        child.wait(180)
        return dict(prefect.get(f"/flow_runs/{which}"))


def test_each_change_of_a_finding_is_told_once_and_so_is_a_silence(
    prefect: Prefect, webhook: Webhook, session_world: World
) -> None:
    """`tollbook-critical`, `-warning`, `-over`, `-silent`. A check that fails is not told as a failed run besides."""
    session_world.faults.add("rpc_down", times=None)
    subprocess.run([BIN / "tollbook", "freeze", "--reason", "a look"], env=prefect.env, cwd=PROJECT, check=True)
    for _ in range(2):
        assert run(prefect, "health")["state_name"] == "Failed"
    session_world.faults.clear()
    subprocess.run([BIN / "tollbook", "unfreeze"], env=prefect.env, cwd=PROJECT, check=True)
    shorten(prefect, "tollbook-silent", SHORTEST)
    assert run(prefect, "health")["state_name"] == "Completed"
    prefect.wait("the silence is told", lambda: told(webhook, "tollbook: no health check"))
    critical, warnings = told(webhook, "tollbook, critical"), told(webhook, "tollbook, warning")
    assert any("chain" in each for each in critical), critical
    assert any("frozen" in each for each in warnings), warnings
    assert len(told(webhook, "tollbook, over")) == len(critical) + len(warnings)
    assert told(webhook, "tollbook: no health check") == [
        "Is a worker running for the work pool, and can it reach the server? Nothing is bought meanwhile."
    ]


def test_a_run_that_failed_is_told_with_its_reason(prefect: Prefect, webhook: Webhook) -> None:
    """`tollbook-run-failed`."""
    ended = run(prefect, "backfill", dataset="tm-grade-history", first="2026-02-31")
    assert ended["state_name"] == "Failed"
    [message] = prefect.wait("it is told", lambda: told(webhook, f"tollbook: {ended['name']} Failed"))
    assert message == f"{ended['state']['message']}. What was paid is in the ledger: `tollbook status`."


def test_a_run_that_died_while_it_paid_is_marked_as_crashed_and_told(
    prefect: Prefect, buyer: Buyer, webhook: Webhook, session_world: World
) -> None:
    """`tollbook-zombies`, and `tollbook-run-failed` after it. The next run claims what was paid (I1, I2)."""
    slow = session_world.faults.add("slow", path="*tm-grade-history*", leg="paid", times=None, seconds=30.0)
    shorten(prefect, "tollbook-zombies", SHORTEST)
    asked = {"dataset": "tm-grade-history", "first": "2026-01-05", "last": "2026-01-06", "tokens": "3375"}
    with running(prefect, "backfill", **asked, approve_above="1") as (which, child):
        prefect.wait("the payment is on its way", lambda: slow.fired)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    session_world.faults.clear()
    dead = prefect.wait(
        "it is marked",
        lambda: (found := prefect.get(f"/flow_runs/{which}"))["state_name"] == "Crashed" and found,
    )
    [message] = prefect.wait("it is told", lambda: told(webhook, f"tollbook: {dead['name']} Crashed"))
    assert message == "No heartbeat for nine minutes. What was paid is in the ledger: `tollbook status`."
    subprocess.run([BIN / "tollbook", "recover"], env=prefect.env, cwd=PROJECT, check=True)
    with Ledger.open(f"sqlite:///{Path(buyer.home)}/state/ledger.db") as ledger:
        paid = [(p.run.flow_run_id, p.money, p.data) for p in ledger.purchases() if p.sends]
    assert paid == [(which, Money.SPENT, Data.DELIVERED)]
    assert len(session_world.transfers(buyer.address)) == 1


def test_a_server_that_is_killed_while_a_run_pays_keeps_no_payment_from_the_books(
    prefect: Prefect, buyer: Buyer, session_world: World
) -> None:
    """The last test: the run's own log is what is left to say what happened to the money (I1, I2)."""
    before = len(session_world.transfers(buyer.address))
    slow = session_world.faults.add("slow", path="*trading-signals*", leg="paid", times=None, seconds=3.0)
    asked = {"dataset": "trading-signals", "first": "2024-01-01", "last": "2024-12-13", "tokens": "3375"}
    log = prefect.home / "runs.log"
    with running(prefect, "backfill", **asked, approve_above="10") as (which, _):
        prefect.wait("payments are on their way", lambda: slow.fired >= 4)
        prefect.server.kill()
        assert len(session_world.transfers(buyer.address)) < before + 12, "it was killed before the run had paid"
        prefect.wait("the run says how it ended", lambda: "may show this run as running" in log.read_text())
    session_world.faults.clear()
    said = log.read_text()
    assert "Completed: 12 paid calls, 0.204 USDC" in said
    assert "Money: what was sent is booked in the ledger, see `tollbook status`. Run it again? Yes" in said
    with Ledger.open(f"sqlite:///{Path(buyer.home)}/state/ledger.db") as ledger:
        mine = [purchase for purchase in ledger.purchases() if purchase.run.flow_run_id == which]
    assert Counter((p.money, p.data) for p in mine) == {(Money.SPENT, Data.DELIVERED): 12}
    assert len(session_world.transfers(buyer.address)) == before + 12
    bought = f"SELECT count(*) FROM signals JOIN costs USING (purchase_id) WHERE flow_run_id = '{which}'"
    assert query(Path(buyer.home), bought)[1] == [(12 * 29,)]
