"""Send the report's page to object storage (TOLLBOOK_PUBLISH), beside the publication. Trouble there is a sentence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.bucket.publish_remote import known_home_id
from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import REPORT
from tollbook_bucket.errors import BucketError
from tollbook_bucket.store import BucketStore, open_bucket
from warehouse.bucket.send import read_pointer

if TYPE_CHECKING:
    from tasks.workspace.workspace import Workspace

HTML = "text/html; charset=utf-8"


async def send_page(ws: Workspace, page: Path) -> str:
    """Send the page where TOLLBOOK_PUBLISH says; return where it is, or why it is not there. "" where it says nothing.

    Only the home that publishes at an address sends its page there: another home's shows other books.
    """
    given = ws.settings.publish_url
    if given is None:
        return ""
    try:
        bucket = await asyncio.to_thread(open_bucket, parse_address(given), ws.store_variables)
        return await asyncio.to_thread(_sent, bucket, known_home_id(ws.home), page)
    except BucketError as error:
        return f"not sent: {error.what}"


def _sent(bucket: BucketStore, home: str | None, page: Path) -> str:
    current = read_pointer(bucket).current
    if current is None:
        return f"not sent: nothing is published at {bucket.url} yet"
    if current.publisher.home != home:
        return f"not sent: the home {current.publisher.home[:8]} on {current.publisher.host} publishes at {bucket.url}"
    bucket.put(REPORT, page, HTML)
    return f"{bucket.url}/{REPORT}"
