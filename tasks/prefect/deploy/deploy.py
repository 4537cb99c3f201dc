"""Deploy everything to the Prefect server of PREFECT_API_URL, once it answers: work pools, the deployments of
prefect.yaml, automations.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import get_current_settings

from payer.values.errors import Misconfigured, Unreachable
from tasks.prefect.deploy.automations import (
    apply_automation,
    compare_automations,
    notification_blocks,
    read_automations,
)
from tasks.prefect.deploy.deployments import (
    POOL_TYPE,
    Act,
    ServerChange,
    Target,
    compare_deployments,
    compare_pools,
    create_pool,
    deploy_file,
    read_deployments,
    read_existing,
    without_folder,
)

PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """Changes on the server, made or (dry run) only compared; `notes` are for whoever deploys."""

    server: str
    file: str
    dry_run: bool
    changes: tuple[ServerChange, ...]
    notes: tuple[str, ...] = ()

    @property
    def pools(self) -> tuple[str, ...]:
        return tuple(change.name for change in self.changes if change.kind is Target.POOL)

    def document(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "file": self.file,
            "dry_run": self.dry_run,
            "changes": [change.document() for change in self.changes],
            "notes": list(self.notes),
        }


async def deploy(
    path: Path, automations: Sequence[Path], *, pool: str | None = None, wait: float = 0, dry_run: bool = False
) -> Deployed:
    """Check that the server answers, then make it as the files say; with `dry_run` only compare.

    `pool` takes the place of the file's work pool. Raises Misconfigured without a server's URL or with a file that
    can't be deployed, PrefectUnreachable when the server does not answer.
    """
    url, file = api_url(), read_deployments(path, pool)
    await wait_for_server(url, wait)
    async with get_client() as client:
        pools, types = await compare_pools(client, file.declared)
        before = await read_existing(client)
        changes = (*pools, *compare_deployments(file.declared, before))
        wanted = read_automations(automations, await notification_blocks(client))
        plans = []
        for each in wanted:
            there = await client.read_automations_by_name(each.automation.name)
            plans.append(compare_automations(each.automation, there))
        if not dry_run:
            for change in changes:
                if change.kind is Target.POOL and change.action is Act.CREATE:
                    await create_pool(client, change.name)
            await deploy_file(without_folder(file) if types - {POOL_TYPE} else file, url)
            for change in changes:
                if change.action is Act.PAUSE:
                    await client.pause_deployment(before[change.name].id)
            for plan in plans:
                await apply_automation(client, plan)
    missing = dict.fromkeys(name for each in wanted for name in each.missing_blocks)
    every = (*changes, *(change for plan in plans for change in plan.changes))
    return Deployed(shown(url), str(path), dry_run, every, tuple(map(_missing_block, missing)))


def _missing_block(name: str) -> str:
    return (
        f"automations notify nobody yet: the server has no notification block named {name!r}; make one in Prefect "
        "(Blocks: Slack, e-mail, a webhook …), then deploy again"
    )


class PrefectUnreachable(Unreachable):
    """Raised when PREFECT_API_URL does not answer as a Prefect server. Deploying moves no money."""

    money = "none was sent: deploying pays nothing"
    repeat = "yes, once the server answers"


def api_url() -> str:
    """Return the URL of the server's API. Raises Misconfigured where none is set: there is nothing to deploy to."""
    url = get_current_settings().api.url
    if not url:
        raise Misconfigured(
            "PREFECT_API_URL is not set: there is no Prefect server to deploy to",
            advice="`prefect server start`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api`",
        )
    return url


def shown(url: str) -> str:
    """Return the URL without a user's name and password (I10)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()


async def wait_for_server(url: str, seconds: float = 0) -> None:
    """Return once the server answers, asking again for so long. Raises PrefectUnreachable with the last reason."""
    deadline = time.monotonic() + seconds
    while reason := await _asked():
        if time.monotonic() >= deadline:
            waited = f" within {seconds:.0f} s" if seconds else ""
            raise PrefectUnreachable(
                f"PREFECT_API_URL: no Prefect server answers at {shown(url)}{waited}: {reason}",
                advice="start it (`prefect server start`), or correct PREFECT_API_URL, which ends in /api; "
                "`--wait 120` waits for one that is starting",
            )
        await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))


async def _asked() -> str:
    """Return why the server can't be used, "" if it can. Something else may listen at its address."""
    client: PrefectClient = get_client()
    try:
        async with client:
            if error := await client.api_healthcheck():
                return _reason(error)
            version = await client.api_version()
    except Exception as error:  # noqa: BLE001 - the client raises what the network and any stranger's answer cause
        return _reason(error)
    return "" if isinstance(version, str) and version[:1].isdigit() else "what answers there is no Prefect server"


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost cause."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
