"""The folders of snapshots, for readers that list them: hard links to what the manifest names.

A reader sees a month's files as they were or as they are, never both and never none: where files go, the whole folder
is exchanged for another in one step.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from warehouse.snapshots.manifest import File, Manifest

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def settle(root: Path, manifest: Manifest) -> None:
    """Make the folders say what the manifest says, as far as its contents are there, and remove other contents."""
    wanted = {files[0].folder: files for files in manifest.months().values()}
    found = {str(path.relative_to(root)) for path in root.glob("dataset=*/month=*")}
    for folder in sorted(found | set(wanted)):
        show(root, folder, wanted.get(folder, []))
    kept = {file.content for file in manifest.files} | set(manifest.retired)
    for path in (root / ".files").glob("*"):
        if str(path.relative_to(root)) not in kept:
            path.unlink()


def show(root: Path, folder: str, files: Sequence[File]) -> None:
    """Make a month's folder show exactly these files."""
    wanted = {Path(file.link).name: file for file in files}
    found = {path.name for path in (root / folder).glob("*")}
    if found <= set(wanted) and all(_is_linked(root, wanted[name]) for name in found):
        for file in files:
            link(root, file)
        return
    staging = root / ".staging"
    shutil.rmtree(staging, ignore_errors=True)
    (staging / folder).mkdir(parents=True)
    for file in files:
        if (root / file.content).exists():
            os.link(root / file.content, staging / file.link)
    exchange(staging / folder, root / folder)
    shutil.rmtree(staging)
    if not files:
        (root / folder).rmdir()


def link(root: Path, file: File) -> None:
    """Show a file's content under its folder, if the content is there."""
    target = root / file.link
    if not target.exists() and (root / file.content).exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(root / file.content, target)


def _is_linked(root: Path, file: File) -> bool:
    """What the folder shows is the content, or all that is left of it."""
    content = root / file.content
    return not content.exists() or os.path.samefile(content, root / file.link)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step where the system can (Linux); else one short step after the other."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
        if done == 0:
            return
    aside = one.with_name(one.name + ".old")
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)
