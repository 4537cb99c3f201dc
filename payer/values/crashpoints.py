"""Named points at which a test may kill this process. They cost nothing while TOLLBOOK_CRASH_AT is unset."""

from __future__ import annotations

import os
import signal

_reached: dict[str, int] = {}


def crash_point(name: str) -> None:
    """SIGKILL this process here if TOLLBOOK_CRASH_AT is "name" (the first time) or "name:n" (the n-th time)."""
    setting = os.environ.get("TOLLBOOK_CRASH_AT")
    if not setting:
        return
    point, _, times = setting.partition(":")
    if point != name:
        return
    _reached[name] = _reached.get(name, 0) + 1
    if _reached[name] == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
