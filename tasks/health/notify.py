"""Tell people of changes, through apprise: mail, Slack, Discord, Telegram, webhooks, by a URL in the environment."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from payer.values.errors import Misconfigured
from tasks.health.changes import HealthChanges, Memory, after, compare
from tasks.health.check import Health
from tasks.health.finding import Severity

PATIENCE_SECONDS = 10.0
"""All services together; a slow one never holds up a flow, or the end of its process, for longer."""


async def notify(health: Health, memory: Memory, urls: str | None) -> tuple[HealthChanges, str]:
    """Tell what changed since people were told last; return it, and why it could not be told ("" if it was).

    Without `urls` nothing is sent: events and reports show what changed. Once there are some, all is told.
    """
    with memory.held():
        changes = compare(memory.read(sent=bool(urls)), health.findings)
        problem = await _send(changes, urls) if changes and urls else ""
        if not problem:
            memory.write(after(health.findings), sent=bool(urls))
    return changes, problem


def message(changes: HealthChanges) -> tuple[str, str]:
    """Title and text of a notification."""
    count = len(changes.appeared)
    title = f"tollbook: {count} finding{'s' if count != 1 else ''}" if count else "tollbook: all that was told is over"
    lines = [
        f"{each.severity.value}: {each.text}" + (f". {each.advice}" if each.advice else "") for each in changes.appeared
    ]
    lines += [f"over: {text}" for text in changes.over.values()]
    return title, "\n".join(lines)


async def _send(changes: HealthChanges, urls: str) -> str:
    title, text = message(changes)
    critical = any(each.severity is Severity.CRITICAL for each in changes.appeared)
    sending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    arguments = (asyncio.get_running_loop(), sending, urls, title, text, critical)
    # Nobody waits for a daemon thread: asyncio's own are waited for when the loop closes, however slow a service is.
    threading.Thread(target=_send_apart, args=arguments, name="notify", daemon=True).start()
    try:
        return await asyncio.wait_for(sending, PATIENCE_SECONDS)
    except TimeoutError:
        return f"the notification service did not answer within {PATIENCE_SECONDS:g} s"


def _send_apart(
    loop: asyncio.AbstractEventLoop, sending: asyncio.Future[str], urls: str, title: str, text: str, critical: bool
) -> None:
    """Send, and hand the result to the loop, which may be gone by then."""
    try:
        problem = _send_now(urls, title, text, critical)
    except Exception as error:  # noqa: BLE001 - handed on to whoever waits
        _finish(loop, partial(sending.set_exception, error), sending)
    else:
        _finish(loop, partial(sending.set_result, problem), sending)


def _finish(loop: asyncio.AbstractEventLoop, finish: Callable[[], None], sending: asyncio.Future[str]) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if sending.done() else finish())


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
