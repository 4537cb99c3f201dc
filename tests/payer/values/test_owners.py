"""Whose lease still counts."""

from __future__ import annotations

import os
import subprocess
import sys

from payer.values.owners import is_gone, new_owner

SAY_NAME = "from payer.values.owners import new_owner; print(new_owner())"


def test_a_process_that_runs_is_not_gone() -> None:
    assert not is_gone(new_owner())


def test_a_process_that_ended_is_gone() -> None:
    ended = subprocess.run([sys.executable, "-c", SAY_NAME], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)


def test_a_process_of_another_machine_counts_as_alive() -> None:
    assert not is_gone(f"elsewhere:{os.getpid()}:00")
    assert not is_gone("elsewhere:4194305:00")
    assert not is_gone("a name of another form")


def test_two_names_of_one_process_differ() -> None:
    assert new_owner() != new_owner()
