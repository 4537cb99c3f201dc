"""Schedules for real: the page's own commands, a server, a worker, a paid world; runs fire and data arrives."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from payer.ledger import Ledger
from payer.values.money import parse_decimal
from payer.values.purchase import Data, Money
from payer.wallet.eip3009 import Wallet
from tasks.request.schedules import read_schedules
from tests.browser import has_chromium
from tests.conftest import begin_clear_of_midnight
from tests.docs.page import PROJECT, commands
from tests.flows.approval_page import approve_in_page
from tests.flows.server import BIN, Prefect
from tests.paths import DOCS
from tests.payer import secrets
from tests.warehouse.empty_home import shared_empty_home
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


ENDED = ("AwaitingRetry", "Cancelled", "Completed", "Crashed", "Failed")


@pytest.fixture(scope="module", autouse=True)
def _one_day() -> None:
    """Prefect's server knows no clock but the machine's, and a schedule that fires on the next day buys again."""
    begin_clear_of_midnight(150)


@pytest.fixture(scope="module")
def buyer(session_world: World) -> Buyer:
    """With a home that has published: its runs need not begin the file."""
    made = session_world.buyer("scheduled")
    shutil.copytree(shared_empty_home(), made.home, dirs_exist_ok=True)
    return made


@pytest.fixture(scope="module")
def deployed(buyer: Buyer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """One server for the module, with the schedules of the file."""
    with Prefect(tmp_path_factory.mktemp("prefect"), buyer.env) as running:
        yield running


@pytest.fixture(scope="module")
def prefect(deployed: Prefect) -> Prefect:
    """A worker beside it, those schedules switched off: at 12:30 one would fire in earnest, and buy beside a test."""
    switch_off(deployed)
    for run in deployed.post("/flow_runs/filter", {}):
        deployed.delete(f"/flow_runs/{run['id']}")
    deployed.start_worker()
    return deployed


def switch_off(prefect: Prefect) -> None:
    """Let no schedule create another run; the server deletes those that it had created ahead."""
    for one in deployments(prefect).values():
        for schedule in one["schedules"]:
            prefect.patch(f"/deployments/{one['id']}/schedules/{schedule['id']}", {"active": False})


def deployments(prefect: Prefect) -> dict[str, Any]:
    """Deployments by flow name and their own."""
    flows = {flow["id"]: flow["name"] for flow in prefect.post("/flows/filter", {})}
    found = prefect.post("/deployments/filter", {})
    return {f"{flows[one['flow_id']]}/{one['name']}": one for one in found}


@cache
def id_of(prefect: Prefect, deployment: str) -> str:
    """It stays; to look it up again with each look at runs would keep the server busier than the runs do."""
    return str(deployments(prefect)[deployment]["id"])


def runs_of(prefect: Prefect, deployment: str) -> list[dict[str, Any]]:
    only = {"deployments": {"id": {"any_": [id_of(prefect, deployment)]}}}
    found: list[dict[str, Any]] = prefect.post("/flow_runs/filter", only)
    return found


def begin_run(prefect: Prefect, deployment: str, **parameters: object) -> dict[str, Any]:
    """Ask for a run of the deployment, as Prefect's pages do, with these parameters."""
    where = f"/deployments/{id_of(prefect, deployment)}/create_flow_run"
    run: dict[str, Any] = prefect.post(where, {"state": {"type": "SCHEDULED"}, "parameters": parameters})
    return run


def test_deploying_gives_every_schedule_of_the_file_its_slug(deployed: Prefect) -> None:
    expected = {(s.slug, s.cron) for s in read_schedules(PROJECT / "prefect.yaml")}
    found = {
        (schedule["slug"], schedule["schedule"]["cron"])
        for one in deployments(deployed).values()
        for schedule in one["schedules"]
        if "cron" in schedule["schedule"]
    }
    assert found == expected
    assert all(slug for slug, _ in found)


def automations(prefect: Prefect) -> list[str]:
    return sorted(one["name"] for one in prefect.post("/automations/filter", {}))


def test_deploying_again_changes_what_differs_and_adds_nothing(deployed: Prefect) -> None:
    """Schedules, automations, the pool; a second automation that somebody made by hand goes."""
    before = {name: len(one["schedules"]) for name, one in deployments(deployed).items()}
    there = automations(deployed)
    deployed.post("/automations/", deployed.automation("tollbook-zombies"))
    said = json.loads(deployed.run("tollbook", "deploy", "--json"))
    assert {name: len(one["schedules"]) for name, one in deployments(deployed).items()} == before
    assert automations(deployed) == there == sorted(set(there))
    done = {change["action"]: change["name"] for change in said["changes"]}
    assert done.keys() == {"unchanged", "deleted"}, said["changes"]
    assert done["deleted"] == "tollbook-zombies"


def test_every_schedule_creates_runs_at_its_own_times(deployed: Prefect) -> None:
    """The server of an unlucky set of pins says all is well and creates none."""
    now = datetime.now(UTC)
    for schedule in read_schedules(PROJECT / "prefect.yaml"):
        if not schedule.active:
            continue
        name = f"{schedule.flow}/{schedule.deployment}"
        runs = deployed.wait(f"{name} has scheduled runs", lambda name=name: runs_of(deployed, name))
        planned = {datetime.fromisoformat(run["expected_start_time"]) for run in runs if run["auto_scheduled"]}
        assert planned, name
        assert planned <= set(schedule.times(now - timedelta(minutes=5), now + timedelta(days=200))), name


def test_a_schedule_fires_and_its_data_arrives(prefect: Prefect, buyer: Buyer) -> None:
    """From a schedule to rows, each with its flow run, its deployment and its transaction."""
    [create] = [
        command for command in commands("sh prefect") if command[:4] == ["prefect", "deployment", "schedule", "create"]
    ]
    prefect.run(*create)

    def fired() -> list[dict[str, Any]]:
        done = [run for run in runs_of(prefect, "grades/buy-grades-daily") if run["auto_scheduled"]]
        return [run for run in done if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    ended = {run["id"]: run for run in prefect.wait("a scheduled run ended", fired)}
    assert {run["state_type"] for run in ended.values()} == {"COMPLETED"}, [
        run["state"]["message"] for run in ended.values()
    ]
    [(rows,)] = query(buyer.home, "SELECT count(*) FROM grades")[1]
    assert rows > 100
    bought = "SELECT DISTINCT reason, flow_run_id, deployment, verified_on_chain FROM costs WHERE flow = 'grades'"
    [(reason, flow_run, deployment, proved)] = query(buyer.home, bought)[1]
    assert (reason, deployment, proved) == ("schedule", id_of(prefect, "grades/buy-grades-daily"), True)
    message = prefect.get(f"/flow_runs/{flow_run}")["state"]["message"]
    assert message is None or "3 paid calls, 0.051 USDC" in message


def test_the_next_firing_pays_nothing(prefect: Prefect, buyer: Buyer, session_world: World) -> None:
    def twice() -> bool:
        done = [run for run in runs_of(prefect, "grades/buy-grades-daily") if run["state_type"] == "COMPLETED"]
        return len(done) >= 2

    prefect.wait("a second scheduled run ended", twice)
    assert len(session_world.transfers(buyer.address)) == 3
    switch_off(prefect)  # each run that it would go on to create takes a worker's place for seconds


def test_bill_and_costs_are_shown_as_artifacts(prefect: Prefect) -> None:
    found = {one["key"]: one for one in prefect.post("/artifacts/latest/filter", {})}
    first, *_, total = json.loads(found["grades-bill"]["data"])
    assert (first["dataset"], total["dataset"]) == ("tm-grade", "total")
    assert {first["verdict"], total["verdict"]} <= {"within cap", "nothing to buy"}
    assert "| caps.USDC.per_run | 50 | 0 |" in found["grades-bill"]["description"]
    assert (found["grades-progress"]["type"], found["grades-progress"]["data"]) == ("progress", 100.0)
    assert "| grades |" in found["costs-by-flow"]["data"]
    assert found["grades-purchases"]["data"].count("| 0.017 USDC | settled | 0x") == 3


def test_a_backfill_waits_for_operator_approval_and_then_costs_exactly_its_bill(
    prefect: Prefect, buyer: Buyer, session_world: World
) -> None:
    before = session_world.balance(buyer.address)
    [start] = [
        command
        for command in commands("sh prefect")
        if command[:4] == ["prefect", "deployment", "run", "backfill/buy-a-past-range"]
    ]
    prefect.run(*start)
    [run] = runs_of(prefect, "backfill/buy-a-past-range")

    def paused() -> Any:
        found = prefect.get(f"/flow_runs/{run['id']}")
        assert found["state_type"] not in ("FAILED", "CRASHED", "COMPLETED"), found["state"]["message"]
        return found if found["state_type"] == "PAUSED" else None

    state = prefect.wait("the backfill waits", paused)["state"]
    assert session_world.balance(buyer.address) == before, "nothing is signed while it waits"
    bill = next(one for one in prefect.post("/artifacts/latest/filter", {}) if one["key"] == "backfill-bill")
    question = f"/flow_runs/{run['id']}/input/{state['state_details']['run_input_keyset']['description']}"
    shown = prefect.wait(
        "the form is there, which Prefect writes after it paused the run", lambda: prefect.get(question)
    )
    code = shown.split("the plan's code, `")[1].split("`")[0]
    if has_chromium():
        form = approve_in_page(
            f"{prefect.api.removesuffix('/api')}/runs/flow-run/{run['id']}",
            lambda: prefect.get(f"/flow_runs/{run['id']}")["state_type"] != "PAUSED",
            picture=prefect.home / "approval.png",
        )
        assert all(words in form.text for words in ("Buy it", "Code of the plan", "Spend at most", code)), form.text
        assert "Optional" not in form.text
        assert form.values[0] == code
    else:
        approval = {"approve": True, "plan": code, "at_most": "1.00"}
        prefect.post(f"/flow_runs/{run['id']}/resume", {"run_input": approval})
    ended = prefect.wait(
        "the backfill ended",
        lambda: (found := prefect.get(f"/flow_runs/{run['id']}"))["state_type"] in ("COMPLETED", "FAILED") and found,
    )
    assert ended["state_type"] == "COMPLETED", ended["state"]["message"]
    lines = {line["dataset"]: line["amount USDC"] for line in json.loads(bill["data"])}
    total = parse_decimal(lines.pop("total"), 6)
    assert set(lines) == {"tm-grade-history", "trading-signals"}
    assert (
        before - session_world.balance(buyer.address) == sum(parse_decimal(each, 6) for each in lines.values()) == total
    )


def eight_calls_on_their_way(prefect: Prefect, world: World, tokens: str, seconds: float) -> tuple[Any, Any]:
    """A flow run whose first eight payments are at the seller, and the fault that keeps their answers so long."""
    slow = world.faults.add("slow", path="*trading-signals*", leg="paid", times=None, seconds=seconds)
    asked = {"dataset": "trading-signals", "first": "2024-01-01", "last": "2024-12-13", "tokens": tokens}
    run = begin_run(prefect, "backfill/buy-a-past-range", **asked, approve_above="10")
    prefect.wait("eight calls are on their way", lambda: slow.fired >= 8)
    return run, slow


def assert_none_lost(
    prefect: Prefect, buyer: Buyer, world: World, run: Any, slow: Any, before: int, *, heard: bool = True
) -> None:
    """The run ends as cancelled; what was sent is delivered and published, what was not is void (I11).

    A run that was not told to stop, since Prefect forgot to (`heard` is False), may have ended by then.
    """
    ended = prefect.wait(
        "the run ended",
        lambda: (found := prefect.get(f"/flow_runs/{run['id']}"))["state_name"] in ENDED and found,
    )
    world.faults.clear()
    sent = slow.fired
    if heard or ended["state_name"] != "Completed":
        assert ended["state_name"] == "Cancelled", ended["state"]["message"]
        assert 8 <= sent < 12, "the command to stop takes seconds itself; what it met is waited for, the rest not begun"
    with Ledger.open(f"sqlite:///{buyer.home}/state/ledger.db") as ledger:
        mine = [purchase for purchase in ledger.purchases() if purchase.run.flow_run_id == run["id"]]
    assert Counter((p.money, p.data) for p in mine if p.sends) == {(Money.SPENT, Data.DELIVERED): sent}
    assert {p.money for p in mine if not p.sends} == {Money.VOID}
    assert len(world.transfers(buyer.address)) == before + sent
    bought = f"SELECT count(*) FROM signals JOIN costs USING (purchase_id) WHERE flow_run_id = '{run['id']}'"
    assert query(buyer.home, bought)[1] == [(sent * 29,)]


def test_a_cancelled_run_waits_for_the_calls_on_their_way_and_loses_none(
    prefect: Prefect, buyer: Buyer, session_world: World
) -> None:
    """I11, through a worker: the seller refuses used authorizations, so an answer that nobody heard would be lost."""
    before = len(session_world.transfers(buyer.address))
    run, slow = eight_calls_on_their_way(prefect, session_world, "3375", 8.0)
    prefect.post(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
    assert_none_lost(prefect, buyer, session_world, run, slow, before)


def test_a_worker_that_is_told_to_stop_loses_none_of_the_calls_on_their_way(
    prefect: Prefect, buyer: Buyer, session_world: World
) -> None:
    """It kills its processes and is gone in seconds; the flow run outlives it, and ends as a cancelled one does."""
    prefect.wait("the processes of earlier runs have ended", lambda: not prefect.runs_of_worker())
    before = len(session_world.transfers(buyer.address))
    run, slow = eight_calls_on_their_way(prefect, session_world, "3306", 8.0)
    heard = prefect.stop_worker()
    assert_none_lost(prefect, buyer, session_world, run, slow, before, heard=heard)


def test_compaction_leaves_fewer_files_with_the_same_rows_and_who_reads_goes_on(prefect: Prefect, buyer: Buyer) -> None:
    """As deployed. One reader has the list of a manifest, one has files of the folders open; both began before.

    Two publications of one month there must be: whether the runs above made them depends on the day of the month.
    """
    for token in ("3375", "3306"):
        days = ("--from", "2026-01-05", "--to", "2026-01-06")
        prefect.run("tollbook", "backfill", "trading-signals", *days, "--tokens", token, "--yes")
    root = buyer.home / "published" / "snapshots"
    before, rows = read_manifest(root).files, snapshot_rows(root.glob("dataset=*/month=*/*.parquet"))
    with contextlib.ExitStack() as readers:
        opened = [readers.enter_context(pq.ParquetFile(root / file.link)) for file in before]
        run = begin_run(prefect, "compact/compact-snapshots-weekly")
        ended = prefect.wait(
            "the compaction ended",
            lambda: (found := prefect.get(f"/flow_runs/{run['id']}"))["state_name"] in ENDED and found,
        )
        months, after = Counter(file.folder for file in before), read_manifest(root).files
        assert sorted(file.folder for file in after) == sorted(months)
        rewritten = sum(files > 1 for files in months.values())
        assert rewritten > 0
        said = f"{rewritten} months rewritten, {len(before)} files before, {len(after)} after"
        assert (ended["state_name"], ended["state"]["message"]) == ("Completed", said)
        assert snapshot_rows(root.glob("dataset=*/month=*/*.parquet")) == rows
        assert snapshot_rows(root / file.content for file in before) == rows
        assert [reader.read().num_rows for reader in opened] == [file.rows for file in before]


def test_idle_processes_hold_no_more_memory_than_the_page_says(prefect: Prefect) -> None:
    """Server and worker have run flows by now."""
    page = (DOCS / "deployment.md").read_text()
    limits = {name: int(most) for name, most in re.findall(r"^\| `([^`]*)` \| \d+ MB \| (\d+) MB \|$", page, re.M)}
    watch = subprocess.Popen(
        [BIN / "tollbook", "watch", "--since", "7d"], env=prefect.env, stdout=subprocess.PIPE, text=True
    )
    with watch:
        assert watch.stdout is not None
        assert watch.stdout.readline(), "it follows the ledger once it has shown what is there"
        found = {
            "prefect server start": resident(prefect.server.pid),
            "prefect worker start": resident(prefect.worker.pid),
            "tollbook watch": resident(watch.pid),
        }
        watch.terminate()
    assert found.keys() == limits.keys()
    assert all(found[name] <= limits[name] for name in limits), found


def resident(pid: int) -> float:
    """Resident memory of a process, in MB."""
    [kilobytes] = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(kilobytes) / 1000


def snapshot_rows(paths: Iterable[Path]) -> list[str]:
    """All rows of Parquet files, in one order."""
    return sorted(str(row) for path in paths for row in pq.ParquetFile(path).read().to_pylist())


def test_a_refused_run_fails_at_once_with_the_reason(prefect: Prefect, session_world: World) -> None:
    """The flow has retries; a refusal would be the same again. Its traces in Prefect are searched below."""
    session_world.faults.add("swap_pay_to", times=None)
    run = begin_run(prefect, "signals/buy-signals-six-hourly")
    failed = prefect.wait(
        "the run failed",
        lambda: (found := prefect.get(f"/flow_runs/{run['id']}"))["state_name"] in ENDED and found,
    )
    session_world.faults.clear()
    assert failed["state_name"] == "Failed"
    assert failed["run_count"] == 1
    assert "payTo" in failed["state"]["message"]


def test_of_late_runs_that_fire_together_only_the_newest_buys(prefect: Prefect) -> None:
    """As after an outage. No run of the past can be scheduled: that these were is written into the database."""
    deployment = id_of(prefect, "moonshots/buy-moonshots-six-hourly")
    now = datetime.now(UTC)
    prefect.patch("/work_pools/local", {"is_paused": True})
    late = []
    for since in (timedelta(hours=6), timedelta(minutes=1)):
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": (now - since).isoformat()}}
        late.append(prefect.post(f"/deployments/{deployment}/create_flow_run", {"state": state}))
    with contextlib.closing(sqlite3.connect(prefect.home / "prefect.db", timeout=60)) as database, database:
        names = [run["name"] for run in late]
        changed = database.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE name IN (?, ?)", names)
        assert changed.rowcount == 2
    prefect.patch("/work_pools/local", {"is_paused": False})

    def ended() -> list[str]:
        found = [prefect.get(f"/flow_runs/{run['id']}") for run in late]
        return [run["state"]["message"] for run in found] if all(run["state_name"] in ENDED for run in found) else []

    older, newest = prefect.wait("both ended", ended)
    then = f"the run of {now - timedelta(minutes=1):%Y-%m-%d %H:%M} UTC, which is due too, buys what both would"
    assert older.split("; ", 1)[1] == then
    assert "paid calls" in newest
    assert not newest.startswith("0 paid calls")


def test_the_key_reaches_neither_prefects_database_nor_its_logs(prefect: Prefect, buyer: Buyer) -> None:
    """I10, in every form, after runs that were good and one that failed: database, artifacts, results, server's and
    worker's logs."""
    key = bytes.fromhex(buyer.private_key.removeprefix("0x"))
    needles = secrets.of_wallet(key, Wallet(key))
    searched = [path for path in prefect.home.rglob("*") if path.is_file()]
    assert {"server.log", "worker.log", "prefect.db"} <= {path.name for path in searched}
    leaks = {str(path): found for path in searched if (found := secrets.found_in(path.read_bytes(), needles))}
    assert leaks == {}
