"""The temporary folder of a copy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from payer.ledger.backup import copy_folder


def test_copies_begun_at_the_same_moment_leave_each_others_folders_alone(tmp_path: Path) -> None:
    """One that was just made and is not locked yet looks like one that a killed process left."""

    def copy(_number: int) -> bool:
        with copy_folder(tmp_path) as folder:
            (folder / "copy.db").write_bytes(b"half")
            return folder.exists()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(copy, range(800)))
    assert list(tmp_path.iterdir()) == []
