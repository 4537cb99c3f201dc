"""The partition folders of snapshots: hard links to the contents that the manifest names.

A reader that lists a folder sees a month's files as they were or as they are, never both and never none: a folder that
loses files is exchanged for another in one step.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from warehouse.snapshots.manifest import FILES, Manifest, SnapshotFile, contents

PUBLISH_LOCK = ".publish.lock"
"""Name of the lock file in published/: every writer of anything in there holds it."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def apply_manifest(root: Path, manifest: Manifest) -> None:
    """Make the folders show what the manifest names, as far as the contents exist, and remove other contents."""
    wanted = {files[0].folder: files for files in manifest.partitions().values()}
    present = {str(path.relative_to(root)) for path in root.glob("dataset=*/month=*")}
    for folder in sorted(present | set(wanted)):
        _show_files(root, folder, wanted.get(folder, []))
    kept = {file.content for file in manifest.files} | set(manifest.retired)
    for path in contents(root).glob("*"):
        if f"{FILES}/{path.name}" not in kept:
            path.unlink()


def _show_files(root: Path, folder: str, files: Sequence[SnapshotFile]) -> None:
    """Make a partition's folder show exactly these files."""
    wanted = {Path(file.link).name: file for file in files}
    present = {path.name for path in (root / folder).glob("*")}
    if present <= set(wanted) and all(_is_linked(root, wanted[name]) for name in present):
        for file in files:
            link(root, file)
        return
    staging = empty_staging(root)
    (staging / folder).mkdir(parents=True)
    for file in files:
        if (root / file.content).exists():
            os.link(root / file.content, staging / file.link)
    exchange(staging / folder, root / folder)
    shutil.rmtree(staging)
    if not files:
        (root / folder).rmdir()


def empty_staging(root: Path) -> Path:
    """The folder in which a partition's next folder is made, emptied: beside snapshots/, where no reader looks."""
    staging = root.with_name(".staging")
    shutil.rmtree(staging, ignore_errors=True)
    return staging


def require_writable(root: Path) -> None:
    """Raise OSError where no entry can be made among the partition folders: before a manifest names one."""
    os.rmdir(tempfile.mkdtemp(dir=root))


def link(root: Path, file: SnapshotFile) -> None:
    """Show a file's content in its folder, if the content exists."""
    target = root / file.link
    if not target.exists() and (root / file.content).exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(root / file.content, target)


def _is_linked(root: Path, file: SnapshotFile) -> bool:
    """True when the folder's entry is the content itself, or all that is left of it."""
    content = root / file.content
    return not content.exists() or os.path.samefile(content, root / file.link)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders: in one step on Linux, elsewhere by renames one right after the other."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
        if done == 0:
            return
    aside = one.with_name(one.name + ".old")  # `one` is in staging: no reader looks there
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)
