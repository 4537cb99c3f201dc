"""Move what an older tollbook published below snapshots/ to where it is now: beside it.

Manifest and contents once stood in snapshots/ itself, as `_manifest.json` and `.files/<sha256>.parquet`, so that tools
which read everything below that folder found each row twice, or stopped at the manifest.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from warehouse.snapshots.manifest import FILES, contents, manifest_path

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
        draft = manifest_path(root).with_suffix(".json.tmp")
        draft.write_text(_converted((root / _MANIFEST).read_text("utf-8", errors="replace")), "utf-8")
        fsync_path(draft)
        os.replace(draft, manifest_path(root))
        fsync_path(root.parent)
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
