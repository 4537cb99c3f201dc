"""The home on disk: `state/`, which is its user's alone (0700, files 0600), and the place of the published set.

Workers of one PostgreSQL ledger have that place in common. With TOLLBOOK_PUBLISH it is that address. Else it is the
folder `published`, known by an id that the first publisher leaves in it: two mounts of one disk are one place, and
equal paths on two machines are two.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from payer.ledger.workers.publisher import PublishedPlace
from payer.values.durable import close_to_others, is_open_to_others, make_private_folder
from tollbook_bucket.address import parse_address
from tollbook_bucket.errors import BadAddress

if TYPE_CHECKING:
    from payer.ledger.workers.publisher import LastPublication
    from tasks.workspace.workspace import Workspace


def make_private_state(home: Path) -> None:
    """Make `state/`, and close what an older tollbook left open in it. Raises OSError.

    What belongs to another user stays as it is: `open_to_others` names it.
    """
    state = home / "state"
    make_private_folder(state)
    close_to_others(*open_to_others(home))


def open_to_others(home: Path) -> list[Path]:
    """Return `state/`, and files and folders below it, that users other than their owner may read, write or enter."""
    state = (home / "state").resolve()
    return [path for path in (state, *sorted(state.rglob("*"))) if is_open_to_others(path) and not path.is_symlink()]


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
