"""`make cluster`: play the proof for MINUTES (default ten) with SEED, and print what came of it."""

from __future__ import annotations

import argparse
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
    parser.add_argument("--no-prefect", action="store_true", help="run flows by the command alone")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tollbook-cluster-") as folder,
        cluster(Path(folder), asked.minutes * 60, asked.seed, CAPS, prefect=not asked.no_prefect) as played,
    ):
        played.play()
        reckon(played)
    proof = played.proof
    print(proof.line())
    for line in (*proof.wrong, *proof.reader_errors[:20]):
        print(f"  {line}")
    for reason, count in proof.reasons.most_common(8):
        print(f"  {count} runs ended early: {reason}")
    return 1 if proof.wrong or proof.reader_errors else 0


if __name__ == "__main__":
    sys.exit(main())
