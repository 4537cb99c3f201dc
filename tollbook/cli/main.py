"""The `tollbook` command: from arguments to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tollbook.cli import failure


def run(arguments: Sequence[str]) -> int:
    """One invocation, for the console script and for tests. Says every error itself."""
    as_json = "--json" in arguments
    try:
        from tollbook.cli.app import command

        return command(list(arguments))
    except Exception as error:  # noqa: BLE001 - the last place where an error can still be said to a person
        return failure.report(error, as_json=as_json)


def main() -> None:
    """Console script. Ctrl-C is not an error of ours: what was sent stays in the ledger and the next run claims it."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        failure.interrupted()
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
