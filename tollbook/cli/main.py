"""Entry point of the `tollbook` command: from arguments to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tollbook.cli import errors


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Errors are printed, not raised."""
    as_json = "--json" in arguments
    try:
        from tollbook.cli.app import command

        return command(list(arguments))
    except Exception as error:  # noqa: BLE001 - the last place where an error can still be said to a person
        return errors.report(error, as_json=as_json)


def main() -> None:
    """Run the console script. After Ctrl-C, what was sent stays in the ledger and the next run claims it."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        errors.interrupted()
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
