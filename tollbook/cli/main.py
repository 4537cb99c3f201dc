"""Entry point of the `tollbook` command: from arguments to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from tollbook.cli import errors, interruption
from tollbook.cli.terminal.output import let_readers_leave


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("the command does without pandas", name=fullname)
        return None


def leave_out_pandas() -> None:
    """Make `import pandas` fail from now on, which saves a run at a prompt a quarter of a second."""
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas())


CTRL_C = 130
"""Exit code that typer makes of a KeyboardInterrupt; no verb returns it."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Errors are printed, not raised.

    A run that a signal stopped returns 130 or 143, whatever it did before.
    """
    as_json = "--json" in arguments
    interruption.forget()
    return interruption.exit_code(_run(arguments, as_json))


def _run(arguments: Sequence[str], as_json: bool) -> int:
    try:
        from tollbook.cli.app import command

        code = command(list(arguments))
    except Exception as error:  # noqa: BLE001 - the last place where an error can still be said to a person
        return errors.report(error, as_json=as_json)
    return errors.interrupted(as_json=as_json) if code == CTRL_C else code


def main() -> None:
    """Run the console script. Verbs that pay wait for what is on its way; others end at once."""
    interruption.end_on_sigterm()
    let_readers_leave()
    leave_out_pandas()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = errors.interrupted(as_json="--json" in sys.argv)
    sys.exit(code)


if __name__ == "__main__":
    main()
