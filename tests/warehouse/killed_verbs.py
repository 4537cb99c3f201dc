"""Work that is killed at any moment: `python -m tests.warehouse.killed_verbs HOME` forks a process for each verb it
is told, so that none has to import anything first, and says its number; a killed one leaves this one whole."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, suppress
from pathlib import Path

from tests.warehouse.child_processes import ROOT
from warehouse.load.self_repair import load


def serve(home: Path) -> None:
    """Fork for each line, and wait for the end of what was forked."""
    import duckdb  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    from tests.warehouse.purchases import open_ledger  # noqa: F401

    for line in sys.stdin:
        number = os.fork()
        if number == 0:
            os._exit(_work(*line.split(), home=home))
        print(number, flush=True)
        _, status = os.waitpid(number, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _work(verb: str, disk: str = "", *, home: Path) -> int:
    """The command's exit code; its words are in `home/said`. `disk`: a number is how many bytes no file may grow
    beyond, as on a disk that is full; `read_only:FOLDER` and `forbid:FOLDER` are of tests.disks."""
    import duckdb

    from tests import disks
    from tests.warehouse.purchases import open_ledger
    from tollbook.cli.failure import report
    from warehouse.cache.store import Cache
    from warehouse.load.rebuild import rebuild
    from warehouse.publish.publish import compact, publish

    verbs = {"publish": publish, "compact": compact, "rebuild": rebuild}
    with (home / "said").open("w") as said, redirect_stderr(said), open_ledger(home) as ledger:
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        spoil, _, folder = disk.partition(":")
        if folder:
            {"read_only": disks.read_only, "forbid": disks.forbid}[spoil](home / folder)
        elif disk:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(disk), unlimited[1]))
        try:
            load(Cache(home), ledger) if verb == "load" else verbs[verb](home, ledger)
        except (OSError, duckdb.Error) as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            return report(error, as_json=False)
    return 0


class Worker:
    """The process above, from the side that kills."""

    def __init__(self, home: Path) -> None:
        command, pipe = [sys.executable, "-m", "tests.warehouse.killed_verbs", str(home)], subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def run(self, verb: str, kill_after: float | None = None) -> int:
        """Exit code of the work; -9 where it was killed before its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb}\n")
        self._process.stdin.flush()
        number = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):
                os.kill(number, 9)
        return int(self._line())

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
