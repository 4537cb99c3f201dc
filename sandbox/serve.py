"""`python -m sandbox.serve --home DIR`: the paid world in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sandbox.world import HomeInUse, World


def serve(home: Path, *, as_json: bool = False, **options: Any) -> int:
    """Serve until a signal; prints one line that starts with `ready`, or one JSON document. Returns the exit code."""
    # A handler runs in the thread that waits: an Event's lock, which that may hold, would be waited for without end.
    stops: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stops.put(number))
    try:
        with World(home, **options) as world:
            where = {
                "seller": world.seller_url,
                "rpc": world.rpc_url,
                "facilitator": world.facilitator_url,
                "control": world.control_url,
                "env": str(world.home / "sandbox.env"),
            }
            line = " ".join(f"{name}={value}" for name, value in where.items())
            print(json.dumps({"ready": True, **where}) if as_json else f"ready {line}", flush=True)
            stops.get()
    except HomeInUse as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tollbook sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder for chain, policy.toml and sandbox.env")
    parser.add_argument("--tokens", type=int, default=64, help="how many tokens the market lists")
    parser.add_argument("--seed", type=int, default=7, help="seed of data and faults")
    parser.add_argument("--x402", type=int, choices=(1, 2), default=2, help="x402 version of the plain seller path")
    chosen = parser.parse_args()
    return serve(chosen.home, tokens=chosen.tokens, seed=chosen.seed, x402_version=chosen.x402)


if __name__ == "__main__":
    sys.exit(main())
