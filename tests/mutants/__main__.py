"""`python -m tests.mutants [WORD …]`: plant each fault (or those whose name has a word) in a copy of the tree and run
its tests. Exit 1 if one survives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants import bodies, buying, durability, money
from tests.mutants.mutant import Mutant
from tests.paths import PACKAGES, ROOT

AT_ONCE = 2
MUTANTS = (*money.MUTANTS, *durability.MUTANTS, *buying.MUTANTS, *bodies.MUTANTS)
SECONDS = 300
"""Longest run of one mutant's tests; a hang is noticed, too: it counts as found."""
FAILED = 1
"""pytest's exit code when tests ran and one of them failed. Any other says that nothing was tried."""


class Untried(Exception):
    """The tests could not be run, so they prove nothing."""


def copy_of_the_tree(folder: Path) -> Path:
    """A copy of what the tests read, to plant faults in."""
    for name in (*PACKAGES, "tests", "docs", "bench"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "policy.toml", "prefect.yaml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def is_found(mutant: Mutant, tree: Path) -> bool:
    """True when a test fails with the fault planted. Raises Untried when none could be run."""
    path = tree / mutant.file
    sound = path.read_text()
    path.write_text(mutant.planted(tree))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(sound)
    if ended.returncode not in (0, FAILED):
        raise Untried(f"{mutant.name}: pytest exited {ended.returncode}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return ended.returncode == FAILED


def survivors(mutants: Sequence[Mutant]) -> list[Mutant]:
    """The mutants that no test notices, each tried in a copy of its own worker."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as workers:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            trees.put(copy_of_the_tree(Path(folder) / str(number)))

        def tried(mutant: Mutant) -> bool:
            tree = trees.get()
            try:
                found = is_found(mutant, tree)
            finally:
                trees.put(tree)
            print(f"{'found   ' if found else 'SURVIVES'}  {mutant.name}", flush=True)
            return found

        return [mutant for mutant, found in zip(mutants, workers.map(tried, mutants), strict=True) if not found]


def main(words: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    left = survivors(chosen)
    print(f"{len(chosen)} mutants, {len(left)} survivors")
    for mutant in left:
        print(f"  {mutant.name}: {mutant.file}\n    - {mutant.before}\n    + {mutant.after}")
    return 1 if left or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
