"""`make cluster`: play the proof for MINUTES (default ten) with SEED, and print what came of it."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.cluster.check import reckon
from tests.cluster.play import cluster

CAPS = {"per_run": "3.00", "per_flow_day": "6.00", "per_day": "8.00"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-prefect", action="store_true", help="workers are commands, without Prefect's server")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs, and say where it is")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tollbook-cluster-"))
    try:
        with cluster(folder, asked.minutes * 60, asked.seed, CAPS, prefect=not asked.no_prefect, say=_say) as played:
            played.play(faked=not asked.no_prefect)
            reckon(played)
    finally:
        if asked.keep:
            _say(f"logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    proof = played.proof
    print(proof.line())
    for line in (*proof.wrong, *proof.reader_errors[:20]):
        print(f"  {line}")
    for reason, count in proof.reasons.most_common(8):
        print(f"  {count} runs failed: {reason}")
    return 1 if proof.wrong or proof.reader_errors else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
