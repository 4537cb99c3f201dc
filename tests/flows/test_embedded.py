"""A flow that is called as a function, with a Prefect server of its own for as long as it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.page import PROJECT, commands
from tests.flows.server import quiet_environment
from tests.warehouse.empty_home import shared_empty_home
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_flow_runs_embedded_without_a_server_of_the_users(world: World, buyer: Buyer, tmp_path: Path) -> None:
    """By the page's own command, in a home that has published."""
    shutil.copytree(shared_empty_home(), buyer.home, dirs_exist_ok=True)
    [command] = commands("sh embedded")
    done = subprocess.run(
        [sys.executable, *command[1:]],
        env=quiet_environment(tmp_path, buyer.env),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(world.transfers(buyer.address)) == 3
    assert query(buyer.home, "SELECT count(*) FROM grades")[1][0][0] > 100
