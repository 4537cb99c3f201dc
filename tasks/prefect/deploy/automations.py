"""Automations from files: each is on the server once, by its name, and as its file says.

In a file an action `send-notification` has no block's id but `block: NAME`: the notification block of that name on the
server. Where there is none, the automation is made all the same and does nothing but show that it was triggered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from prefect.client.orchestration import PrefectClient
from prefect.events.schemas.automations import Automation, AutomationCore
from pydantic import ValidationError

from payer.values.errors import Misconfigured
from tasks.prefect.deploy.deployments import Act, ServerChange, Target

NOTIFY = "notify"
"""The capability of a block that can notify people."""

OWN = frozenset({"enabled", "owner_resource"})
"""Parts that are not the file's: an operator may switch an automation off, and deploying leaves it off."""


@dataclass(frozen=True, slots=True)
class DeclaredAutomation:
    """An automation of a file, and the names of notification blocks that it wants and the server lacks."""

    automation: AutomationCore
    missing_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AutomationPlan:
    """The work on one automation: the one to keep, and others of its name, which `automation create` made."""

    automation: AutomationCore
    change: ServerChange
    kept: Automation | None
    extra: tuple[Automation, ...]

    @property
    def changes(self) -> tuple[ServerChange, ...]:
        name = self.automation.name
        again = (ServerChange(Target.AUTOMATION, name, Act.DELETE, ("it was there twice",)) for _ in self.extra)
        return (self.change, *again)


async def notification_blocks(client: PrefectClient) -> dict[str, UUID]:
    """Return the blocks on the server that can notify people, by name."""
    documents = await client.read_block_documents(include_secrets=False)
    return {
        str(each.name): each.id
        for each in documents
        if each.block_schema is not None and NOTIFY in each.block_schema.capabilities
    }


def read_automations(paths: Iterable[Path], blocks: Mapping[str, UUID]) -> list[DeclaredAutomation]:
    """Return every automation of the files. Raises Misconfigured for one that Prefect would not take."""
    found = []
    for path in paths:
        try:
            for entry in msgspec.yaml.decode(path.read_bytes())["automations"]:
                found.append(_declared(entry, blocks))
        except OSError as error:
            raise Misconfigured(f"{path} can't be read: {error.strerror}") from None
        except (msgspec.DecodeError, ValidationError, LookupError, TypeError, AttributeError) as error:
            what = str(error).splitlines()[0]
            raise Misconfigured(
                f"{path} holds no automations that Prefect takes: {what}", advice="correct it"
            ) from None
    return found


def _declared(entry: Mapping[str, Any], blocks: Mapping[str, UUID]) -> DeclaredAutomation:
    missing: list[str] = []
    actions = [_action(action, blocks, missing) for action in entry["actions"]]
    automation = AutomationCore.model_validate({**entry, "actions": actions})
    return DeclaredAutomation(automation, tuple(missing))


def _action(action: Mapping[str, Any], blocks: Mapping[str, UUID], missing: list[str]) -> dict[str, Any]:
    name = action.get("block")
    if name is None:
        return dict(action)
    if name not in blocks:
        missing.append(str(name))
        return {"type": "do-nothing"}
    rest = {key: value for key, value in action.items() if key != "block"}
    return {**rest, "block_document_id": str(blocks[name])}


def compare_automations(wanted: AutomationCore, existing: Sequence[Automation]) -> AutomationPlan:
    """Keep the first that is as wanted, else the first, which is updated; the others go. Pure."""
    if not existing:
        return AutomationPlan(wanted, ServerChange(Target.AUTOMATION, wanted.name, Act.CREATE), None, ())
    kept = next((each for each in existing if not _parts(wanted, each)), existing[0])
    parts = _parts(wanted, kept)
    change = ServerChange(Target.AUTOMATION, wanted.name, Act.UPDATE if parts else Act.KEEP, parts)
    return AutomationPlan(wanted, change, kept, tuple(each for each in existing if each.id != kept.id))


def _parts(wanted: AutomationCore, existing: AutomationCore) -> tuple[str, ...]:
    """Return the names of what differs. As Python's values: expected events are sets, whose JSON has any order."""
    ours, theirs = wanted.model_dump(exclude=set(OWN)), existing.model_dump(exclude=set(OWN))
    return tuple(name for name, value in ours.items() if value != theirs.get(name))


async def apply_automation(client: PrefectClient, plan: AutomationPlan) -> None:
    """Make the server's automation as the plan says."""
    match plan.change.action, plan.kept:
        case Act.CREATE, _:
            await client.create_automation(plan.automation)
        case Act.UPDATE, Automation() as kept:
            core = plan.automation.model_copy(update={"enabled": kept.enabled})
            await client.update_automation(kept.id, core)
    for each in plan.extra:
        await client.delete_automation(each.id)
