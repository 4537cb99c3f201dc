"""The place of the published set, which workers of one PostgreSQL ledger have in common.

With TOLLBOOK_PUBLISH it is that address. Else it is the folder `published`, known by an id that the first publisher
leaves in it: two mounts of one disk are one place, and equal paths on two machines are two.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from payer.ledger.workers import PublishedPlace
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress

if TYPE_CHECKING:
    from payer.ledger.workers import LastPublication
    from tasks.workspace.workspace import Workspace


TAKE_OVER_SECONDS = 900.0
"""Time for which rows wait for the workers at the published set's place before another place takes over."""


def is_here(ws: Workspace, last: LastPublication) -> bool:
    """True when this worker may publish: at the place of the last publication, at any before the first one, and
    elsewhere once rows have waited for TAKE_OVER_SECONDS."""
    if last.place is None or (last.waits_for or 0.0) >= TAKE_OVER_SECONDS:
        return True
    return last.place.id == (_address(ws) or _id(_marker(ws)))


def mark_place(ws: Workspace) -> PublishedPlace:
    """Return the place that this worker published at; a folder gets its id now."""
    if address := _address(ws):
        return PublishedPlace(address, address)
    marker = _marker(ws)
    if not (known := _id(marker)):
        known = uuid4().hex
        draft = marker.with_name(f"{marker.name}.tmp")
        draft.write_text(known)
        os.replace(draft, marker)
    return PublishedPlace(known, f"{socket.gethostname()}:{marker.parent.parent.resolve()}")


def _address(ws: Workspace) -> str | None:
    """The address in TOLLBOOK_PUBLISH, without credentials; None where there is none, or none that can be read."""
    try:
        return parse_address(ws.settings.publish_url).url if ws.settings.publish_url else None
    except BadAddress:
        return None


def _marker(ws: Workspace) -> Path:
    return ws.home / "published" / ".private" / "place"


def _id(marker: Path) -> str | None:
    try:
        return marker.read_text().strip() or None
    except OSError:
        return None
