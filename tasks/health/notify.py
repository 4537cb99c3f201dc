"""Tell people each finding once when it appears or changes, and once when it is over.

Through apprise: mail, Slack, Discord, Telegram, webhooks, by a URL in the environment. What was told is kept in
`state/health.json`; what could not be told stays untold, so that the next check tries again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from payer.values.durable import fsync_path, make_private_file
from payer.values.errors import Misconfigured
from tasks.health.check import Health, check_health
from tasks.health.finding import Finding, Severity
from tasks.request.counted import counted
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as it was told: its sign, and its text for when it is over."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class HealthChanges:
    """Findings that are new or changed, and keys with texts of those that are over."""

    appeared: tuple[Finding, ...]
    over: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.appeared or self.over)


def compare(told: Mapping[str, Told], findings: Sequence[Finding]) -> HealthChanges:
    """Compare what is found with what was told. Pure."""
    current = {finding.key for finding in findings}
    appeared = tuple(each for each in findings if each.key not in told or told[each.key].sign != each.sign)
    return HealthChanges(appeared, {key: each.text for key, each in told.items() if key not in current})


def after(findings: Sequence[Finding]) -> dict[str, Told]:
    """Return the memory once people know all of it."""
    return {finding.key: Told(finding.sign, finding.text) for finding in findings}


class Memory:
    """The file of what was told. Its `lock` keeps other processes out, so that a change is told once."""

    def __init__(self, state: Path) -> None:
        self._path = state / "health.json"
        self.lock = FileLock(str(state / "health.lock"), mode=0o600)

    def read(self, *, sent: bool = False) -> dict[str, Told]:
        """Return what was told; with `sent`, what was sent to people, not only shown.

        Nothing where the file is missing or can't be read, so that all is told again.
        """
        try:
            document = json.loads(self._path.read_text("utf-8"))
            if sent and not document["sent"]:
                return {}
            return {key: Told(**value) for key, value in document["findings"].items()}
        except (FileNotFoundError, ValueError, TypeError, LookupError, AttributeError):
            return {}

    def write(self, told: Mapping[str, Told], *, sent: bool) -> None:
        """Replace the file as a whole, durably."""
        new = self._path.with_suffix(".new")
        make_private_file(new)
        findings = {key: asdict(each) for key, each in told.items()}
        new.write_text(json.dumps({"sent": sent, "findings": findings}), "utf-8")
        fsync_path(new)
        os.replace(new, self._path)
        fsync_path(self._path.parent)


PATIENCE_SECONDS = 10.0
"""All services together; a slow one never holds up a flow, or the end of its process, for longer."""


async def notify(health: Health, memory: Memory, urls: str | None) -> tuple[HealthChanges, str]:
    """Tell what changed since people were told last; return it, and why it could not be told ("" if it was).

    Without `urls` nothing is sent: events and reports show what changed. Once there are some, all is told.
    """
    with memory.lock:
        changes = compare(memory.read(sent=bool(urls)), health.findings)
        problem = await _send(changes, urls) if changes and urls else ""
        if not problem:
            memory.write(after(health.findings), sent=bool(urls))
    return changes, problem


def message(changes: HealthChanges) -> tuple[str, str]:
    count = len(changes.appeared)
    title = f"tollbook: {counted(count, 'finding')}" if count else "tollbook: all that was told is over"
    lines = [
        f"{each.severity.value}: {each.text}" + (f". {each.advice}" if each.advice else "") for each in changes.appeared
    ]
    lines += [f"over: {text}" for text in changes.over.values()]
    return title, "\n".join(lines)


async def _send(changes: HealthChanges, urls: str) -> str:
    title, text = message(changes)
    critical = any(each.severity is Severity.CRITICAL for each in changes.appeared)
    sending = Future[str]()
    sending.set_running_or_notify_cancel()  # who stops waiting can't cancel it

    def send_apart() -> None:
        try:
            sending.set_result(_send_now(urls, title, text, critical))
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits
            sending.set_exception(error)

    # Nobody waits for a daemon thread: asyncio's own are waited for when the loop closes, however slow a service is.
    threading.Thread(target=send_apart, name="notify", daemon=True).start()
    try:
        return await asyncio.wait_for(asyncio.wrap_future(sending), PATIENCE_SECONDS)
    except TimeoutError:
        return f"the notification service did not answer within {PATIENCE_SECONDS:g} s"


def _send_now(urls: str, title: str, text: str, critical: bool) -> str:
    """Send to every service. Raises Misconfigured for a URL of none; it may hold a secret and is not quoted (I10)."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    services = apprise.Apprise()
    if not services.add(urls):
        raise Misconfigured(
            "TOLLBOOK_NOTIFY_URL names no notification service",
            advice="write one or several of apprise's URLs, such as slack://…, mailto://… or json://host/path",
        )
    kind = apprise.NotifyType.FAILURE if critical else apprise.NotifyType.WARNING
    sent = services.notify(body=text, title=title, notify_type=kind)
    return "" if sent else "a notification service refused or did not answer"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Findings, what changed since people were told, and why they could not be told ("" if they were)."""

    health: Health
    changes: HealthChanges
    problem: str = ""

    def document(self) -> dict[str, Any]:
        return {
            **self.health.document(),
            "changed": [finding.key for finding in self.changes.appeared],
            "over": list(self.changes.over),
            "not_notified": self.problem or None,
        }


async def report_health(ws: Workspace, *, tell: bool = True) -> HealthReport:
    """Check, and tell what changed unless `tell` is false. Raises Misconfigured for a wrong TOLLBOOK_NOTIFY_URL."""
    health, memory = await check_health(ws), Memory(ws.home / "state")
    if not tell:
        return HealthReport(health, compare(memory.read(), health.findings))
    changes, problem = await notify(health, memory, ws.notify_urls)
    return HealthReport(health, changes, problem)
