"""Findings about object storage: a publication that could not be sent, from this home's notes. Asks no store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.health.finding import Finding, Severity
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress
from warehouse.bucket.local_set import identity_of
from warehouse.bucket.memory import BucketMemory

KIND = "publish"


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
        text = f"not published at {url} since {state.since}: {state.problem}{shown}"
        advice = f"{state.advice}; the next publication, or `tollbook publish`, sends all that is missing"
        yield Finding(KIND, url, Severity.WARNING, text, advice)
    elif state.version is not None and state.identity != identity_of(published):
        text = f"the newest publication was not sent to {url} yet{shown}"
        yield Finding(KIND, url, Severity.NOTICE, text, "the next publication, or `tollbook publish`, sends it")
