"""Folders on a disk that is full, or can't be written, as this process sees them; others see them as they are.

Call these in a process of one thread that may be spoilt. They mount for real where the system lets it (a namespace of
the process's own, no privilege needed); where it doesn't, they come as near as a test needs to still mean something.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_NEW_USERS_AND_MOUNTS = 0x10000000 | 0x00020000
_READ_ONLY, _REMOUNT, _BIND, _ALL_BELOW, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_KEPT = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
_MAY_WRITE_ANYTHING = 1 << 1


@contextmanager
def full(folder: Path, room: int, *holding: Path) -> Iterator[bool]:
    """A new disk at `folder` that holds copies of these files and has room for so many bytes more; for more than enough
    once the block has ended. Says whether it is one.

    Near to it: no file may grow beyond half of that, as if each had to be written twice.
    """
    real = _mounts()
    if real:
        held = sum(path.stat().st_size for path in holding)
        _mount("tmpfs", folder, "tmpfs", 0, f"size={held + room}")
    for path in holding:
        shutil.copy(path, folder)
    if real:
        yield True
        _mount("tmpfs", folder, "tmpfs", _REMOUNT, "size=1G")
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room // 2, hard))
    yield False
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read_only(folder: Path) -> None:
    """The folder on a disk that is mounted read-only. Near to it: its files and folders forbid it, see `forbid`."""
    if not _mounts():
        forbid(folder)
        return
    flags = _kept_flags(folder)
    _mount(str(folder), folder, None, _BIND | _ALL_BELOW)
    _mount(None, folder, None, _REMOUNT | _BIND | _READ_ONLY | flags)


def forbid(folder: Path) -> None:
    """No permission to write there, for others neither until `allow`. Root gives up its right to write anyway."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        _give_up(_MAY_WRITE_ANYTHING)


def allow(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _mounts() -> bool:
    """Have mounts of our own. False where the system forbids it, as in some containers."""
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(_NEW_USERS_AND_MOUNTS) != 0:
        return False
    try:
        for name, words in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(words)
        _mount(None, Path("/"), None, _ALL_BELOW | _PRIVATE)
    except OSError:
        return False
    return True


def _mount(source: str | None, target: Path, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    if _libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]) != 0:
        raise OSError(ctypes.get_errno(), f"mount: {os.strerror(ctypes.get_errno())}", str(target))


def _kept_flags(folder: Path) -> int:
    """Those a mount must keep when a user who is not the system's root changes it."""
    return os.statvfs(folder).f_flag & _KEPT


def _give_up(capability: int) -> None:
    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    class Set(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]

    header, sets = Header(0x20080522, 0), (Set * 2)()
    if _libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    sets[0].effective &= ~capability
    sets[0].permitted &= ~capability
    if _libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
