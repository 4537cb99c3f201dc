"""Deployments of prefect.yaml beside those of the server: what is created, what differs, what is paused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest

from payer.values.errors import Misconfigured
from tests.paths import ROOT

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

    from tasks.prefect.deploy.deployments import Declared

SHIPPED = ROOT / "prefect.yaml"


def declared(path: Path = SHIPPED, pool: str | None = None) -> tuple[Declared, ...]:
    from tasks.prefect.deploy.deployments import read_deployments

    return read_deployments(path, pool).declared


def on_server(one: Declared, **changes: Any) -> DeploymentResponse:
    """A deployment as the server keeps it once it is deployed from the file."""
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.utilities.callables import parameter_schema

    schema = parameter_schema(one.flow).model_dump(mode="json")
    schedules = [
        DeploymentSchedule(
            schedule=CronSchedule(cron=each["cron"], timezone=each["timezone"]),
            slug=each["slug"],
            active=each.get("active", True),
        )
        for each in one.entry["schedules"]
    ]
    kept = {
        "name": one.entry["name"],
        "flow_id": uuid4(),
        "description": one.entry["description"],
        "entrypoint": one.entry["entrypoint"],
        "tags": one.entry["tags"],
        "work_pool_name": "local",
        "job_variables": one.entry["work_pool"]["job_variables"],
        "parameter_openapi_schema": {name: value for name, value in schema.items() if value},
        "schedules": schedules,
    }
    return DeploymentResponse(**{**kept, **changes})


def compared(existing: dict[str, DeploymentResponse], *only: Declared) -> dict[str, tuple[str, tuple[str, ...]]]:
    from tasks.prefect.deploy.deployments import compare_deployments

    return {
        change.name: (change.action.value, change.parts) for change in compare_deployments(only or declared(), existing)
    }


def test_on_an_empty_server_everything_of_the_file_is_created() -> None:
    found = compared({})
    assert {action for action, _ in found.values()} == {"created"}
    assert "grades/buy-grades-daily" in found
    assert len(found) == len(declared()) >= 8


def test_what_is_as_the_file_says_is_unchanged() -> None:
    found = compared({one.name: on_server(one) for one in declared()})
    assert {action for action, _ in found.values()} == {"unchanged"}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"description": "older"}, "description"),
        ({"parameters": {"max_cost": "1"}}, "parameters"),
        ({"parameter_openapi_schema": {"type": "object"}}, "form"),
        ({"tags": []}, "tags"),
        ({"entrypoint": "flows.grades.other"}, "entrypoint"),
        ({"work_pool_name": "another"}, "work pool"),
        ({"job_variables": {}}, "job variables"),
        ({"schedules": []}, "schedule grades-daily"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_part_that_differs_is_named(changes: dict[str, Any], part: str) -> None:
    one = next(each for each in declared() if each.flow.name == "grades")
    assert compared({one.name: on_server(one, **changes)}, one) == {one.name: ("updated", (part,))}


def test_a_schedule_with_another_time_is_named_and_one_that_an_operator_paused_is_left_alone() -> None:
    from prefect.client.schemas.schedules import CronSchedule

    one = next(each for each in declared() if each.flow.name == "grades")
    server = on_server(one)
    server.schedules[0].active = False
    assert compared({one.name: server}, one)[one.name][0] == "unchanged"
    server.schedules[0].schedule = CronSchedule(cron="1 1 * * *", timezone="UTC")
    assert compared({one.name: server}, one)[one.name] == ("updated", ("schedule grades-daily",))


def test_the_deployment_under_its_earlier_name_is_paused_once_and_only_beside_its_successor() -> None:
    """Both would fire: the second run of a time buys nothing, and tells everything twice."""
    one = next(each for each in declared() if each.flow.name == "grades")
    old = on_server(one, name="daily")
    found = compared({"grades/daily": old}, one)
    assert found["grades/daily"] == ("paused", ("its place is taken by grades/buy-grades-daily",))
    old.paused = True
    assert "grades/daily" not in compared({"grades/daily": old}, one)
    other = next(each for each in declared() if each.flow.name == "costs")
    assert "grades/daily" not in compared({"grades/daily": on_server(one, name="daily")}, other)


def test_every_successor_of_an_earlier_name_is_in_the_shipped_file() -> None:
    from tasks.prefect.deploy.deployments import RENAMED

    assert set(RENAMED.values()) <= {one.name for one in declared()}


def test_a_pool_that_is_named_takes_the_place_of_the_files_and_keeps_its_job_variables() -> None:
    ours, theirs = declared(), declared(pool="cluster")
    assert {one.pool for one in theirs} == {"cluster"}
    assert [one.entry["work_pool"]["job_variables"] for one in theirs] == [
        one.entry["work_pool"]["job_variables"] for one in ours
    ]


def test_runs_in_another_pools_container_are_not_sent_to_a_folder_of_this_machine(tmp_path: Path) -> None:
    from tasks.prefect.deploy.deployments import read_deployments, without_folder

    document = without_folder(read_deployments(SHIPPED)).document
    assert document is not None
    assert document["pull"] == []
    own = tmp_path / "prefect.yaml"
    own.write_bytes(msgspec.yaml.encode({**document, "pull": [{"a.step": {}}]}))
    assert without_folder(read_deployments(own)).document is None


def test_a_flow_that_cannot_be_loaded_is_named_with_its_deployment(tmp_path: Path) -> None:
    from tasks.prefect.deploy.deployments import read_deployments

    path = tmp_path / "prefect.yaml"
    path.write_text("deployments:\n- {name: mine, entrypoint: no.such.flow}\n")
    with pytest.raises(Misconfigured, match=r"flow no\.such\.flow of deployment 'mine'"):
        read_deployments(path)
    with pytest.raises(Misconfigured, match="can't be read"):
        read_deployments(tmp_path / "none.yaml")
