"""What a child process of the warehouse gets to know of its surroundings: how to run, and no secret (I10)."""

from __future__ import annotations

import os

_PASSED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


def environment() -> dict[str, str]:
    """The few variables that a Python interpreter runs by. Keys and passwords are in none of them."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}
