"""A home that publishes into a folder, as a store: steps that tests of object storage share.

`python -m tests.warehouse.bucket.publisher HOME URL DAYS` sends once, and prints what it sent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.paths import ROOT
from tollbook_bucket.address import parse_address
from tollbook_bucket.documents import Publisher, Version
from tollbook_bucket.store import BucketStore, open_bucket
from warehouse.bucket.send import SendOptions, SentPublication, read_pointer, send

OPTIONS = SendOptions(Publisher("a" * 32, "host-a"))
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def store_in(folder: Path) -> BucketStore:
    folder.mkdir(exist_ok=True)
    return open_bucket(parse_address(f"file://{folder}"))


def send_from(
    home: Path, bucket: BucketStore, options: SendOptions = OPTIONS, *, later: timedelta = timedelta(0)
) -> SentPublication:
    sent = send(home / "published", bucket, read_pointer(bucket), NOW + later, options)
    assert sent is not None
    return sent


def killed_at(point: str, home: Path, bucket: BucketStore, *, days: int = 0) -> None:
    """Send in a process that kills itself at the named point."""
    env = {**os.environ, "TOLLBOOK_CRASH_AT": point, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.warehouse.bucket.publisher", str(home), bucket.url, str(days)]
    done = subprocess.run(command, env=env, cwd=ROOT, timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached: {done.stdout}{done.stderr}"


def newest(bucket: BucketStore) -> Version:
    """The version that the pointer names."""
    current = read_pointer(bucket).current
    assert current is not None
    return document(bucket, current.version)


def document(bucket: BucketStore, version: str) -> Version:
    stored = bucket.get(f"versions/{version}.json")
    assert stored is not None
    return Version.decode(stored.data, version)


def unnamed(folder: Path) -> set[str]:
    """Objects that neither the newest version nor one that it keeps names."""
    bucket = store_in(folder)
    version = newest(bucket)
    current = read_pointer(bucket).current
    assert current is not None
    names = {"current.json", f"versions/{current.version}.json", *_contents(version)}
    for kept in version.kept:
        names |= {f"versions/{kept.version}.json", *_contents(document(bucket, kept.version))}
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names <= present
    return present - names


def _contents(version: Version) -> set[str]:
    return {content.name for content in version.contents().values()}


def of_home(name: str) -> SendOptions:
    return replace(OPTIONS, publisher=Publisher(name * 32, f"host-{name}"))


if __name__ == "__main__":
    days = timedelta(days=int(sys.argv[3]))
    print(send_from(Path(sys.argv[1]), open_bucket(parse_address(sys.argv[2])), later=days))
