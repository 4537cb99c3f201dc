"""Compare the deployments of prefect.yaml with those on the server, and have Prefect's own command deploy them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from payer.values.errors import Misconfigured
from tasks.request.schedules import read_schedules


class Target(StrEnum):
    """Kinds of objects on a Prefect server."""

    POOL = "work pool"
    DEPLOYMENT = "deployment"
    AUTOMATION = "automation"


class Act(StrEnum):
    """Acts on an object of the server."""

    CREATE = "created"
    UPDATE = "updated"
    PAUSE = "paused"
    DELETE = "deleted"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """One object, what is done to it, and which of its parts differ, or why."""

    kind: Target
    name: str
    action: Act
    parts: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "parts": list(self.parts)}


POOL_TYPE = "process"
"""The type of a work pool that is made here: its worker starts runs as processes of its machine."""

RENAMED = {
    "grades/daily": "grades/buy-grades-daily",
    "signals/six-hourly": "signals/buy-signals-six-hourly",
    "moonshots/six-hourly": "moonshots/buy-moonshots-six-hourly",
    "reconcile/daily": "reconcile/reconcile-with-chain-daily",
    "costs/daily": "costs/show-costs-daily",
    "health/hourly": "health/check-health-hourly",
    "compact/weekly": "compact/compact-snapshots-weekly",
    "backfill/on-demand": "backfill/buy-a-past-range",
}
"""Deployments that earlier versions shipped, and those that took their place."""

Existing = Mapping[str, DeploymentResponse]
"""Deployments on the server by flow and name, `grades/buy-grades-daily`."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One deployment of the file, with its flow."""

    entry: Mapping[str, Any]
    flow: Flow[..., Any]

    @property
    def name(self) -> str:
        return f"{self.flow.name}/{self.entry['name']}"

    @property
    def pool(self) -> str:
        return str((self.entry.get("work_pool") or {}).get("name") or "")


@dataclass(frozen=True, slots=True)
class DeploymentsFile:
    """The deployments of prefect.yaml; `document` takes its place where it is not deployed as it stands."""

    path: Path
    declared: tuple[Declared, ...]
    document: Mapping[str, Any] | None = None


def read_deployments(path: Path, pool: str | None = None) -> DeploymentsFile:
    """Read the file's deployments with their flows, all of them for `pool` where one is named.

    Raises Misconfigured for what can't be read or loaded.
    """
    read_schedules(path)
    document = msgspec.yaml.decode(path.read_bytes())
    if pool is not None:
        for entry in document["deployments"]:
            entry["work_pool"] = {**(entry.get("work_pool") or {}), "name": pool}
    declared = tuple(_declared(path, entry) for entry in document["deployments"])
    return DeploymentsFile(path, declared, None if pool is None else document)


def without_folder(file: DeploymentsFile) -> DeploymentsFile:
    """Return the file for pools whose runs begin in another machine's or container's folder: this one is not there."""
    document = dict(file.document or msgspec.yaml.decode(file.path.read_bytes()))
    return file if "pull" in document else replace(file, document={**document, "pull": []})


def _declared(path: Path, entry: Mapping[str, Any]) -> Declared:
    try:
        return Declared(entry, load_flow_from_entrypoint(str(entry["entrypoint"])))
    except Exception as error:  # noqa: BLE001 - whatever the import of a file or module of the user's raises
        raise Misconfigured(
            f"{path}: the flow {entry.get('entrypoint')} of deployment {entry.get('name')!r} can't be loaded: {error}",
            advice="correct its entrypoint; flows of your own must be importable from here",
        ) from None


async def read_existing(client: PrefectClient) -> dict[str, DeploymentResponse]:
    """Return every deployment on the server by its name."""
    found: list[DeploymentResponse] = []
    while page := await client.read_deployments(limit=200, offset=len(found)):
        found += page
    flows = {flow_id: (await client.read_flow(flow_id)).name for flow_id in {each.flow_id for each in found}}
    return {f"{flows[each.flow_id]}/{each.name}": each for each in found}


def compare_deployments(declared: Iterable[Declared], existing: Existing) -> Iterator[ServerChange]:
    """Yield what deploying does to each deployment of the file, then which of earlier versions it pauses."""
    names = set()
    for each in declared:
        names.add(each.name)
        if each.name not in existing:
            yield ServerChange(Target.DEPLOYMENT, each.name, Act.CREATE)
        else:
            parts = tuple(_differences(each, existing[each.name]))
            yield ServerChange(Target.DEPLOYMENT, each.name, Act.UPDATE if parts else Act.KEEP, parts)
    for old, new in RENAMED.items():
        if old in existing and old not in names and new in names and not existing[old].paused:
            yield ServerChange(Target.DEPLOYMENT, old, Act.PAUSE, (f"its place is taken by {new}",))


def _differences(declared: Declared, existing: DeploymentResponse) -> Iterator[str]:
    """Yield the parts of a deployment that are not as the file says. Templates (`{{ … }}`) are not compared."""
    entry, server = declared.entry, existing
    limit, server_limit = entry.get("concurrency_limit"), server.global_concurrency_limit
    wanted = {
        "description": (entry.get("description") or declared.flow.description, server.description),
        "entrypoint": (entry.get("entrypoint"), server.entrypoint),
        "parameters": (entry.get("parameters") or {}, server.parameters or {}),
        "form": (
            _form(parameter_schema(declared.flow).model_dump(mode="json")),
            _form(server.parameter_openapi_schema),
        ),
        "tags": (sorted(entry.get("tags") or ()), sorted(server.tags or ())),
        "work pool": (declared.pool, server.work_pool_name),
        "job variables": ((entry.get("work_pool") or {}).get("job_variables") or {}, server.job_variables or {}),
        "concurrency limit": (
            limit.get("limit") if isinstance(limit, Mapping) else limit,
            server_limit.limit if server_limit else None,
        ),
    }
    if entry.get("paused") is not None:
        wanted["paused"] = (entry["paused"], server.paused)
    for part, (ours, theirs) in wanted.items():
        if "{{" not in str(ours) and ours != theirs:
            yield part
    schedules = {each.slug: each for each in server.schedules}
    for schedule in entry.get("schedules") or ():
        if not _is_scheduled(schedule, schedules.get(schedule.get("slug"))):
            yield f"schedule {schedule.get('slug') or schedule.get('cron')}"


def _form(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a parameter schema without its empty parts: the server leaves them out."""
    return {name: value for name, value in (schema or {}).items() if value}


def _is_scheduled(ours: Mapping[str, Any], theirs: Any) -> bool:
    """Compare one cron schedule; one of another kind is deployed again each time."""
    if theirs is None or getattr(theirs.schedule, "cron", None) != ours.get("cron"):
        return False
    if (theirs.schedule.timezone or "UTC") != (ours.get("timezone") or "UTC"):
        return False
    if ours.get("active") is not None and theirs.active != ours["active"]:
        return False
    return (theirs.parameters or {}) == (ours.get("parameters") or {})


async def compare_pools(client: PrefectClient, declared: Iterable[Declared]) -> tuple[list[ServerChange], set[str]]:
    """Return each work pool that the file names, with whether it has to be made, and the types of those that exist."""
    changes, types = [], set()
    for name in dict.fromkeys(each.pool for each in declared):
        try:
            types.add((await client.read_work_pool(name)).type)
        except ObjectNotFound:
            changes.append(ServerChange(Target.POOL, name, Act.CREATE, (POOL_TYPE,)))
        else:
            changes.append(ServerChange(Target.POOL, name, Act.KEEP))
    return changes, types


async def create_pool(client: PrefectClient, name: str) -> None:
    """Make a work pool whose worker starts processes."""
    template = await get_default_base_job_template_for_infrastructure_type(POOL_TYPE)
    await client.create_work_pool(WorkPoolCreate(name=name, type=POOL_TYPE, base_job_template=template or {}))


async def deploy_file(file: DeploymentsFile, url: str) -> None:
    """Have `prefect deploy` deploy everything of the file, from this folder. Raises Misconfigured with what it said."""
    with TemporaryDirectory() as folder:
        path = file.path
        if file.document is not None:
            path = Path(folder) / "prefect.yaml"
            path.write_bytes(msgspec.yaml.encode(file.document))
        command = [sys.executable, "-P", "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        environ = {**os.environ, "PREFECT_API_URL": url, "NO_COLOR": "1"}
        run = partial(subprocess.run, env=environ, capture_output=True, text=True, check=False)
        done = await asyncio.to_thread(run, command)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise Misconfigured(
            f"`prefect deploy` failed on {file.path}:\n{said}", advice="correct the file, then deploy again"
        )
