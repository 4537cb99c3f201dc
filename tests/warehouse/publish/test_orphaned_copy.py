"""A publisher that is killed while its child copies the published file leaves the next one nothing but a draft."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.paths import ROOT
from warehouse.publish.versions import Standby

SLOW_COPY = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1]).parent
def wait(name):
    while not (folder / name).exists():
        time.sleep(0.01)
(folder / "started").write_text(str(os.getpid()))
wait("open")
with open(sys.argv[2], "wb") as draft:
    (folder / "opened").touch()
    wait("write")
    draft.write(b"of the killed publisher's child")
(folder / "written").touch()
"""
PUBLISHER = f"""
import sys
from pathlib import Path
from warehouse.publish import versions
versions._copier = lambda: [sys.executable, "-I", "-S", "-c", {SLOW_COPY!r}]
versions.Standby(Path(sys.argv[1])).copy_public()
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path.name
        time.sleep(0.01)


def test_the_child_of_a_killed_publisher_writes_to_no_file_of_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"what is published")
    first = subprocess.Popen([sys.executable, "-c", PUBLISHER, str(tmp_path)], cwd=ROOT)
    wait_for(tmp_path / "started")
    first.send_signal(signal.SIGKILL)
    first.wait()
    try:
        standby = Standby(tmp_path)
        standby.finish_swap()
        (tmp_path / "open").touch()
        wait_for(tmp_path / "opened")
        standby.copy_public()
        (tmp_path / "write").touch()
        wait_for(tmp_path / "written")
        assert standby.path.read_bytes() == b"what is published"
        standby.finish_swap()
        assert list(standby.path.parent.glob("*.tmp")) == []
    finally:
        if not (tmp_path / "written").exists():
            os.kill(int((tmp_path / "started").read_text()), signal.SIGKILL)
