"""The environment of the warehouse's child processes: what a Python interpreter needs, and no secret (I10)."""

from __future__ import annotations

import os

_PASSED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


def child_environment() -> dict[str, str]:
    """The few variables that an interpreter reads. Keys and passwords are in none of them."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}
