"""`python -m bench [part …]`: run the named parts (default all) and print their tables. Exit 1 if an aim is missed."""

from __future__ import annotations

import importlib
import sys

from bench.rows import table

PARTS = ("payer", "judges", "planner", "warehouse", "publishing", "analysts", "questions", "machines")


def main(argv: list[str]) -> int:
    """Each part is a module bench.<part> with TITLE and rows()."""
    missed = 0
    for part in argv or PARTS:
        module = importlib.import_module(f"bench.{part}")
        rows = list(module.rows())
        print(table(module.TITLE, rows), flush=True)
        missed += sum(row.reached is False for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
