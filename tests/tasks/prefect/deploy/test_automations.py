"""Automations from the shipped files: on the server once, as the files say, and off where an operator left them off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from payer.values.errors import Misconfigured
from tests.paths import ROOT
from tollbook.templates import AUTOMATIONS

if TYPE_CHECKING:
    from prefect.events.schemas.automations import Automation, AutomationCore

    from tasks.prefect.deploy.automations import DeclaredAutomation

BLOCK = uuid4()
SHIPPED = [ROOT / name for name in AUTOMATIONS]


def read(blocks: dict[str, UUID]) -> list[DeclaredAutomation]:
    from tasks.prefect.deploy.automations import read_automations

    return read_automations(SHIPPED, blocks)


def zombies() -> AutomationCore:
    return read({})[0].automation


def on_server(core: AutomationCore, **changes: Any) -> Automation:
    from prefect.events.schemas.automations import Automation

    return Automation(id=uuid4(), **{**core.model_dump(), **changes})


def actions(wanted: AutomationCore, *existing: Automation) -> list[str]:
    from tasks.prefect.deploy.automations import compare_automations

    return [change.action.value for change in compare_automations(wanted, existing).changes]


def test_the_shipped_files_hold_what_a_team_wants_to_be_told() -> None:
    names = [each.automation.name for each in read({"tollbook-alerts": BLOCK})]
    assert names == [
        "tollbook-zombies",
        "tollbook-critical",
        "tollbook-warning",
        "tollbook-over",
        "tollbook-run-failed",
        "tollbook-silent",
    ]


def test_each_severity_that_is_told_is_one_that_health_emits() -> None:
    from tasks.health.finding import Severity
    from tasks.prefect.health_events import EVENT

    emitted = {f"{EVENT}.{severity.value}" for severity in Severity} | {f"{EVENT}.over"}
    expected = {
        event
        for each in read({})
        for event in each.automation.model_dump()["trigger"]["expect"]
        if event.startswith(EVENT)
    }
    assert expected == emitted - {f"{EVENT}.notice"}


def test_with_a_notification_block_they_notify_and_without_one_they_do_nothing_and_say_so() -> None:
    told = [each for each in read({"tollbook-alerts": BLOCK}) if each.automation.name != "tollbook-zombies"]
    assert {action.type for each in told for action in each.automation.actions} == {"send-notification"}
    assert {getattr(each.automation.actions[0], "block_document_id", None) for each in told} == {BLOCK}
    assert not any(each.missing_blocks for each in told)
    untold = [each for each in read({"another": BLOCK}) if each.automation.name != "tollbook-zombies"]
    assert {action.type for each in untold for action in each.automation.actions} == {"do-nothing"}
    assert {each.missing_blocks for each in untold} == {("tollbook-alerts",)}


def test_one_that_is_not_there_is_created() -> None:
    assert actions(zombies()) == ["created"]


def test_one_that_is_as_the_file_says_stays() -> None:
    assert actions(zombies(), on_server(zombies())) == ["unchanged"]


def test_the_order_in_which_a_server_lists_expected_events_is_no_difference() -> None:
    silent = read({})[-1].automation
    listed = silent.model_dump(mode="json")
    listed["trigger"]["expect"] = list(reversed(listed["trigger"]["expect"]))
    assert actions(silent, on_server(type(silent).model_validate(listed))) == ["unchanged"]


def test_one_that_differs_is_updated_and_its_parts_are_named() -> None:
    from tasks.prefect.deploy.automations import compare_automations

    older = on_server(zombies(), description="an older text", actions=[{"type": "do-nothing"}])
    plan = compare_automations(zombies(), [older])
    assert (plan.change.action.value, plan.change.parts) == ("updated", ("description", "actions"))
    assert plan.kept == older


def test_a_second_one_of_its_name_is_deleted_and_the_right_one_kept() -> None:
    """`prefect automation create` twice made two."""
    from tasks.prefect.deploy.automations import compare_automations

    wrong, right = on_server(zombies(), description="old"), on_server(zombies())
    plan = compare_automations(zombies(), [wrong, right])
    assert [change.action.value for change in plan.changes] == ["unchanged", "deleted"]
    assert (plan.kept, plan.extra) == (right, (wrong,))


class Client:
    """Prefect's client, as far as one automation needs it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    async def create_automation(self, automation: AutomationCore) -> None:
        self.calls.append(("create", automation.enabled))

    async def update_automation(self, _id: UUID, automation: AutomationCore) -> None:
        self.calls.append(("update", automation.enabled))

    async def delete_automation(self, automation_id: UUID) -> None:
        self.calls.append(("delete", automation_id))


def applied(*existing: Automation) -> list[tuple[str, Any]]:
    from tasks.prefect.deploy.automations import apply_automation, compare_automations

    client: Any = Client()
    asyncio.run(apply_automation(client, compare_automations(zombies(), existing)))
    return list(client.calls)


def test_an_automation_that_an_operator_switched_off_stays_off() -> None:
    assert applied(on_server(zombies(), enabled=False)) == []
    assert applied(on_server(zombies(), enabled=False, description="old")) == [("update", False)]


def test_what_is_planned_is_done() -> None:
    assert applied() == [("create", True)]
    second = on_server(zombies())
    assert applied(on_server(zombies()), second) == [("delete", second.id)]


@pytest.mark.parametrize(
    "text",
    ["automations: [", "other: 1", "automations:\n- name: x\n  actions: []", "automations:\n- 1"],
)
def test_a_file_that_prefect_would_not_take_is_named(tmp_path: Path, text: str) -> None:
    from tasks.prefect.deploy.automations import read_automations

    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"own\.yaml"):
        read_automations([path], {})
    with pytest.raises(Misconfigured, match="can't be read"):
        read_automations([tmp_path / "none.yaml"], {})
