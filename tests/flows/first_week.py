"""A new user's hour and a team's first week, by the page's commands, in an empty folder with an empty home directory.

`make week` plays it, three days or DAYS of them: days of the paid world, whose clock moves. It takes minutes, with a
server and a worker of its own. `make test` has test_schedule.py and test_unwatched.py instead, which play parts of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tasks.request.schedules import read_schedules
from tests.docs.page import PROJECT
from tests.flows.approval_page import approve_in_page
from tests.flows.server import BIN, Prefect, quiet_environment
from tests.webhook import Webhook, serving

DAYS = int(os.environ.get("TOLLBOOK_DAYS", "1"))
A_DAY = 86_400
FUNDS = 2
"""USDC in the wallet: some days of the shipped schedules, so that the balance is low at once."""
OF_DATA = ("grades", "signals", "moonshots")
AT_ONCE = 2
"""Runs that the page's worker takes at once: more that are due only keep the server's database busy."""
ENDED = ("AwaitingRetry", "Cancelled", "Completed", "Crashed", "Failed")


@dataclass
class Team:
    """The folder that `init` set up, its world, its server and what was told."""

    folder: Path
    world: Any
    webhook: Webhook
    env: dict[str, str]
    prefect: Prefect | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def server(self) -> Prefect:
        assert self.prefect is not None, "the tests of this file are one story: run them together"
        return self.prefect

    def tollbook(self, *arguments: str, code: int = 0) -> str:
        """One command in the folder; what it printed."""
        done = self.command(*arguments)
        assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "tollbook"), *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=200)

    def told(self, words: str) -> list[str]:
        """The lines with these words, of all messages that the webhook got."""
        lines = [line for each in self.webhook.received for line in each["message"].splitlines()]
        return [line for line in lines if words in line]

    def deployment(self, flow: str) -> str:
        """The id of the flow's only deployment."""
        [flow_id] = [each["id"] for each in self.server.post("/flows/filter", {}) if each["name"] == flow]
        found = [each["id"] for each in self.server.post("/deployments/filter", {}) if each["flow_id"] == flow_id]
        assert len(found) == 1
        return str(found[0])

    def begin(self, flow: str, **parameters: object) -> dict[str, Any]:
        """A run of the flow's deployment, due now."""
        body = {"state": {"type": "SCHEDULED"}, "parameters": parameters}
        return dict(self.server.post(f"/deployments/{self.deployment(flow)}/create_flow_run", body))

    def end(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run, once it has ended."""
        path = f"/flow_runs/{run['id']}"
        ended = self.server.wait(
            f"{run['name']} ended", lambda: (found := self.server.get(path))["state_name"] in ENDED and found
        )
        return dict(ended)

    def run(self, flow: str, **parameters: object) -> dict[str, Any]:
        return self.end(self.begin(flow, **parameters))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """An empty folder, an empty home directory, and a world whose wallet holds little."""
    from sandbox import world as worlds

    folder, home = tmp_path_factory.mktemp("team"), tmp_path_factory.mktemp("home")
    webhook = Webhook()
    env = {
        **quiet_environment(home / "prefect", {}),
        "HOME": str(home),
        "TOLLBOOK_POLICY": str(folder / "policy.toml"),
        "TOLLBOOK_NOTIFY_URL": webhook.url,
    }
    with pytest.MonkeyPatch.context() as patch, serving(webhook):
        patch.setattr(worlds, "FUNDS", FUNDS)
        with worlds.World(folder / "world") as world:
            yield Team(folder, world, webhook, env)


@pytest.fixture(scope="module", autouse=True)
def _server(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The hour comes first: the folder is set up before anything is deployed from it."""
    team.tollbook("init", "--sandbox", "--yes")
    with Prefect(tmp_path_factory.mktemp("prefect"), team.env) as running:
        team.prefect = running
        for one in running.post("/deployments/filter", {}):
            for schedule in one["schedules"]:
                running.patch(f"/deployments/{one['id']}/schedules/{schedule['id']}", {"active": False})
        for run in running.post("/flow_runs/filter", {}):
            running.delete(f"/flow_runs/{run['id']}")
        running.start_worker()
        yield


def test_the_first_hour_ends_with_a_bill_and_a_set_up_that_the_doctor_accepts(team: Team) -> None:
    assert "Nothing to change" in team.tollbook("init", "--sandbox", "--yes")
    team.tollbook("doctor")
    assert "USDC" in team.tollbook("plan", "grades")
    assert not team.world.transfers(), "nothing was paid yet"


def test_deploying_again_adds_nothing(team: Team) -> None:
    counted = [len(team.server.post(f"/{each}/filter", {})) for each in ("deployments", "automations")]
    team.server.run("tollbook", "deploy")
    assert [len(team.server.post(f"/{each}/filter", {})) for each in ("deployments", "automations")] == counted


def test_each_schedule_fires_day_after_day_and_each_piece_is_paid_once(team: Team) -> None:
    """I1: what the chain shows is what the flows say, and no nonce is there twice."""
    flows = sorted({schedule.flow for schedule in read_schedules(PROJECT / "prefect.yaml")})
    assert {*OF_DATA, "health"} < set(flows)
    paid = [0]
    for day in range(DAYS):
        if day:
            team.world.clock.advance(A_DAY)
            team.env["TOLLBOOK_CLOCK_OFFSET"] = team.server.env["TOLLBOOK_CLOCK_OFFSET"] = repr(team.world.clock.offset)
            team.server.stop_worker()
        firings = [*OF_DATA, *(each for each in flows if each not in OF_DATA)]
        pairs = [firings[at : at + AT_ONCE] for at in range(0, len(firings), AT_ONCE)]
        fired = [run for pair in pairs for run in map(team.end, [team.begin(flow) for flow in pair])]
        ended = {run["name"]: run for run in fired}
        states = {name: (run["state_name"], run["state"]["message"]) for name, run in ended.items()}
        assert {state for state, _ in states.values()} == {"Completed"}, states
        paid.append(len(team.world.transfers()))
    bought = [after - before for before, after in pairwise(paid)]
    assert bought[0] >= 15
    assert all(0 < later < bought[0] for later in bought[1:]), "of the settled days only what is new"
    transfers = team.world.transfers()
    assert len({each["tx_hash"] for each in transfers}) == len(transfers)
    spent = json.loads(team.tollbook("costs", "--json"))
    assert sum(int(each["value"]) for each in transfers) > 0
    assert spent
    assert "clean" in team.tollbook("reconcile")


def test_a_low_balance_is_told_once(team: Team) -> None:
    for _ in range(2):
        assert team.run("health")["state_name"] in ("Completed", "Failed")
    assert len(team.told("the wallet holds")) == 1, team.webhook.received


def test_a_cap_at_four_fifths_is_told_once(team: Team) -> None:
    policy = team.folder / "policy.toml"
    before = policy.read_text()
    [status] = [json.loads(team.tollbook("status", "--json"))]
    committed = max(float(cap["committed"]) for cap in status["caps"] if cap["cap"].endswith("per_day"))
    lines = [
        f'per_day = "{committed / 0.85:.3f}"' if line.startswith("per_day") else line for line in before.splitlines()
    ]
    policy.write_text("\n".join(lines) + "\n")
    for _ in range(2):
        team.run("health")
    policy.write_text(before)
    told = [line for line in team.told("per_day") if "committed" in line and "over:" not in line]
    assert len(told) == 1, team.webhook.received


def test_a_backfill_is_approved_in_prefects_page(team: Team) -> None:
    before = team.world.balance()
    asked = {"dataset": "tm-grade-history", "first": "2026-01-05", "last": "2026-01-06", "tokens": "3375"}
    run = team.begin("backfill", **asked, approve_above="0")
    paused = team.server.wait(
        "the backfill waits",
        lambda: (found := team.server.get(f"/flow_runs/{run['id']}"))["state_type"] == "PAUSED" and found,
    )
    assert team.world.balance() == before, "nothing is signed while it waits"
    key = paused["state"]["state_details"]["run_input_keyset"]["description"]
    team.server.wait("its form is written", lambda: team.server.get(f"/flow_runs/{run['id']}/input/{key}"))
    approve_in_page(
        f"{team.server.api.removesuffix('/api')}/runs/flow-run/{run['id']}",
        lambda: team.server.get(f"/flow_runs/{run['id']}")["state_type"] != "PAUSED",
    )
    ended = team.end(run)
    assert ended["state_name"] == "Completed", ended["state"]["message"]
    assert team.world.balance() < before


def test_a_run_that_is_killed_while_it_pays_costs_nothing_twice(team: Team) -> None:
    """I1, I2: the next run finishes what the killed one had signed."""
    before = len(team.world.transfers())
    slow = team.world.faults.add("slow", path="*trading-signals*", leg="paid", times=None, seconds=4.0)
    asked = {
        "dataset": "trading-signals",
        "first": "2024-01-01",
        "last": "2024-03-01",
        "tokens": "3375",
        "approve_above": "1",
    }
    team.begin("backfill", **asked)
    team.server.wait("payments are on their way", lambda: slow.fired >= 2)
    for engine in engines(team.server.home):
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGKILL)
    team.world.faults.clear()
    team.server.wait("nothing is in doubt", lambda: team.command("recover").returncode == 0)
    again = team.run("backfill", **asked)
    assert again["state_name"] == "Completed", again["state"]["message"]
    paid = team.world.transfers()[before:]
    assert Counter(each["tx_hash"] for each in paid).most_common(1)[0][1] == 1
    bought = json.loads(team.tollbook("costs", "--by", "purchase", "--json"))
    assert len(team.world.transfers()) == len([each for each in bought if each["amount"] != "0"])


def test_an_undelivered_purchase_is_told_once_shown_everywhere_and_clean_after_the_decision(team: Team) -> None:
    """I2, I5, I9."""
    team.world.faults.add("again_402_after", times=1, path="*tm-grade-history*")
    lost = team.run(
        "backfill", dataset="tm-grade-history", first="2026-02-05", last="2026-02-06", tokens="3375", approve_above="1"
    )
    assert lost["state_name"] == "Failed"
    assert "0.017 USDC" in lost["state"]["message"]
    for _ in range(2):
        assert team.run("health")["state_name"] == "Failed"
    assert len(team.told("paid and never delivered")) == 1, team.webhook.received
    assert team.run("reconcile")["state_name"] == "Failed"
    assert "undelivered" in team.tollbook("watch", "--since", "7d", "--no-follow")
    team.tollbook("report", "--html", "report.html")
    assert "undelivered" in (team.folder / "report.html").read_text().lower()
    team.tollbook("status", code=5)
    team.tollbook("accept-loss", "--all", "--yes")
    assert team.run("reconcile")["state_name"] == "Completed"
    team.tollbook("status")
    assert team.run("health")["state_name"] == "Completed"
    assert len(team.told("over: ")) >= 1


def engines(home: Path) -> list[int]:
    """The processes that run a flow for this server: Prefect's engine, started with its home in the environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                b"prefect.engine" in (process / "cmdline").read_bytes()
                and str(home).encode() in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
    return found
