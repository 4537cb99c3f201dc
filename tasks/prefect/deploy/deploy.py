"""Deploy everything to a Prefect server: work pools, the deployments of prefect.yaml, automations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client

from tasks.prefect.deploy.automations import (
    apply_automation,
    notification_blocks,
    plan_automation,
    read_automations,
)
from tasks.prefect.deploy.deployments import (
    POOL_TYPE,
    compare_deployments,
    compare_pools,
    create_pool,
    deploy_file,
    read_deployments,
    read_existing,
    without_folder,
)
from tasks.prefect.deploy.server import Act, ServerChange, Target, api_url, shown, wait_for_server


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
        """The work pools that the deployments run in."""
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
        plans = [await plan_automation(client, each.automation) for each in wanted]
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
