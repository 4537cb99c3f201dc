"""Whether what is published is what the manifest says."""

from __future__ import annotations

from pathlib import Path

from tollbook.warehouse.manifest import read_manifest
from tollbook.warehouse.stale import sha256_of


def check(root: Path) -> list[str]:
    """What is wrong with the snapshots, in sentences: missing, damaged or unknown files. Empty: all is well."""
    manifest = read_manifest(root)
    known = {file.link for file in manifest.files}
    wrong = [f"{path.relative_to(root)} is not in the manifest" for path in root.glob("dataset=*/month=*/*")
             if str(path.relative_to(root)) not in known]  # fmt: skip
    for file in manifest.files:
        for name in (file.content, file.link):
            path = root / name
            if not path.exists():
                wrong.append(f"{name} is missing")
            elif sha256_of(path) != file.sha256:
                wrong.append(f"{name} does not have the hash in the manifest")
    return wrong
