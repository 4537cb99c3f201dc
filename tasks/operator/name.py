"""The name under which an operator's decisions are booked."""

from __future__ import annotations

import getpass


def operator_name() -> str:
    """Return the name of the user who runs the command, or "unknown"."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
