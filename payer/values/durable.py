"""Make files and folders survive a crash of the machine, and keep them from other users."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from payer.values.crashpoints import crash_point


def fsync_path(path: Path) -> None:
    """fsync a file's content, or the names in a folder, so that a power failure does not lose them. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Make a folder that only this user may enter, or close one to others; its parents follow the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    close_to_others(path.resolve())


def make_private_file(path: Path) -> None:
    """Make an empty file that only this user may read, where there is none: another program then fills it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def write_new_file(path: Path, content: str | bytes) -> None:
    """Write a file that only this user may read, durable but for its name in the folder. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(handle)


def unfinished_name(path: Path) -> Path:
    """A hidden name beside a file, under which it is written before it has its own."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")


def make_once(path: Path, text: str, crash_name: str) -> None:
    """Make a private, durable file unless it exists; it has its name once it is whole. Raises OSError.

    Of several processes that make it at once, one does, and the file of the first stays.
    """
    unfinished = unfinished_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_new_file(unfinished, text)
        crash_point(crash_name)
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    fsync_path(path.parent)


def is_open_to_others(path: Path) -> bool:
    """True if users other than its owner may read, write or enter it; False for one that is gone."""
    try:
        return bool(stat.S_IMODE(path.lstat().st_mode) & 0o077)
    except OSError:
        return False


def close_to_others(*paths: Path) -> None:
    """Take every right from users other than the owner. One that belongs to another user stays as it is.

    Opens no file: closing a second handle on a database would drop its locks.
    """
    for path in paths:
        if is_open_to_others(path) and not path.is_symlink():
            with suppress(OSError):
                path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
