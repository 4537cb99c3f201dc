"""Name the processes that lease purchases, and detect those that have ended."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
from functools import lru_cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def new_owner() -> str:
    """Make a unique name: machine, process id, random digits."""
    return f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_of_this_machine(owner: str) -> bool:
    """True if the process of that name was started under this boot, in this container."""
    return owner.partition(":")[0] == _machine()


def is_gone(owner: str) -> bool:
    """True if the process of that name has certainly ended. One of another machine counts as running."""
    machine, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if machine != _machine() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@lru_cache(maxsize=1)
def _machine() -> str:
    """Identify the space in which process ids are unique: one boot of one machine, or one container of it."""
    try:
        where = f"{_BOOT.read_text().strip()} {os.readlink(_PID_NAMESPACE)}"
    except OSError:
        where = platform.node()
    return hashlib.sha256(where.encode()).hexdigest()[:12]
