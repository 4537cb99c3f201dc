"""Findings about object storage: a publication that could not be sent, from this home's notes. Asks no store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from tasks.bucket.publish_remote import known_home_id
from tasks.health.finding import Check, Finding, Severity
from tasks.workspace.workspace import Workspace
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress, BucketError
from tollbook_bucket.store import open_bucket
from warehouse.bucket.local_set import identity_of
from warehouse.bucket.memory import BucketMemory
from warehouse.bucket.send import read_pointer

KIND = "publish"


async def check_bucket(ws: Workspace) -> Check:
    """Ask the store for the pointer: that shows the address, the credentials, and who publishes there."""
    if ws.settings.publish_url is None:
        return Check("bucket", True, "TOLLBOOK_PUBLISH is not set: publications stay in this home")
    return await asyncio.to_thread(_read_bucket, ws, ws.settings.publish_url)


def _read_bucket(ws: Workspace, given: str) -> Check:
    try:
        bucket = open_bucket(parse_address(given), ws.store_variables)
        current = read_pointer(bucket).current
    except BucketError as error:
        return Check("bucket", False, f"TOLLBOOK_PUBLISH: {error.what}", error.advice, error.exit_code)
    if current is None:
        return Check("bucket", True, f"{bucket.url} can be read; nothing is published there yet")
    by = "this home" if current.publisher.home == known_home_id(ws.home) else f"a home on {current.publisher.host}"
    return Check("bucket", True, f"{bucket.url}: version {current.sequence} of {current.published_at}, by {by}")


def unsent(home: Path, publish_url: str | None) -> Iterator[Finding]:
    """Find a publication that readers elsewhere don't have, with since when and what to do."""
    if publish_url is None:
        return
    try:
        url = parse_address(publish_url).url
    except BadAddress as error:
        yield Finding(KIND, "TOLLBOOK_PUBLISH", Severity.WARNING, f"TOLLBOOK_PUBLISH: {error.what}", error.advice)
        return
    published = home / "published"
    state = BucketMemory(published, url).state()
    shown = f"; readers there see that of {state.sent_at}" if state.sent_at else "; nothing was ever sent there"
    if state.problem is not None:
        text = f"not sent to object storage since {state.since}: {state.problem}{shown}"
        advice = f"{state.advice}; the next publication, or `tollbook publish`, sends all that is missing"
        yield Finding(KIND, url, Severity.WARNING, text, advice)
    elif state.version is not None and state.identity != identity_of(published):
        text = f"the newest publication was not sent to {url} yet{shown}"
        yield Finding(KIND, url, Severity.NOTICE, text, "the next publication, or `tollbook publish`, sends it")
