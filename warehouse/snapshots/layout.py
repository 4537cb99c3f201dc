"""The partition folders of snapshots: hard links to the contents that the manifest names.

A reader that lists a folder sees a month's files as they were or as they are, never both and never none: a folder that
loses files is exchanged for another in one step.

What an older tollbook published is moved first: manifest and contents once stood in snapshots/ itself, as
`_manifest.json` and `.files/<sha256>.parquet`, so that tools which read everything below that folder found each row
twice, or stopped at the manifest.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from warehouse.snapshots.manifest import FILES, Manifest, SnapshotFile, contents, manifest_path, replace_manifest

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


_MANIFEST, _DAMAGED, _FILES, _STAGING = "_manifest.json", "_manifest.damaged.json", ".files", ".staging"


def is_older(root: Path) -> bool:
    """True for snapshots whose manifest still stands among them."""
    return (root / _MANIFEST).exists() and not manifest_path(root).exists()


def migrate(root: Path) -> None:
    """Move manifest and contents out of `root`. Killed anywhere, the next call does the rest. Hold PUBLISH_LOCK.

    The contents get second names before the manifest moves, and lose their first ones after it.
    """
    if is_older(root):
        contents(root).mkdir(parents=True, exist_ok=True)
        for path in (root / _FILES).glob("*.parquet"):
            target = contents(root) / path.stem
            if not target.exists():
                os.link(path, target)
        fsync_path(contents(root))
        crash_point("migrate.linked")
        replace_manifest(root, _converted((root / _MANIFEST).read_text("utf-8", errors="replace")))
        crash_point("migrate.manifest")
    for name in (_MANIFEST, _DAMAGED, f"{_MANIFEST}.tmp"):
        (root / name).unlink(missing_ok=True)
    for name in (_FILES, _STAGING):
        shutil.rmtree(root / name, ignore_errors=True)


def _converted(text: str) -> str:
    """The manifest with today's paths; as it is where it can't be read, for the next publication to rebuild."""
    try:
        document = json.loads(text)
        document["retired"] = {f"{FILES}/{Path(name).stem}": at for name, at in document["retired"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return text
    return json.dumps(document, indent=1)
