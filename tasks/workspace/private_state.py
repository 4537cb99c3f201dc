"""Keep `state/` from other users: what was paid for, and with what, is this user's (0700, its files 0600)."""

from __future__ import annotations

from pathlib import Path

from payer.values.durable import close_to_others, is_open_to_others, make_private_folder


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
