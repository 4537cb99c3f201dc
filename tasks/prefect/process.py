"""Run a flow run's process apart from its worker, which kills its children at once when it is told to stop.

`python -m tasks.prefect.process` starts Prefect's engine for the flow run that the worker names in the environment, and
passes SIGTERM on. Killed itself, it leaves the engine behind, to which the kernel then sends SIGTERM: the run begins no
more calls, waits for those on their way, books, loads, publishes, and ends as Cancelled (I11).

With a command it runs that one instead, and ends when all that was left behind has ended: a container's first process,
whose end would kill them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

ENGINE = (sys.executable, "-m", "prefect.engine")
PARENT = "FLOW_RUN_PARENT"
"""Names the process whose death leaves the engine alone, in the engine's environment."""

QUIET = {"PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING"}
"""Settings of the engine's log, unless the worker's environment has its own: the run's log has a line for each call,
and Prefect's "Finished in state Completed()" for each task run beside it says less."""

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
"""Options of Linux's prctl(2)."""


def main(command: Sequence[str]) -> int:
    """Run a command, or Prefect's engine, to its end, and return its exit code."""
    if command:
        return _outlive(command)
    read, write = os.pipe()
    # The engine has the pipe's other end too: what it writes while nobody reads must not end it.
    engine = subprocess.Popen(
        ENGINE,
        stdout=write,
        stderr=write,
        pass_fds=(read,),
        env={**QUIET, **os.environ, PARENT: str(os.getpid())},
        preexec_fn=partial(_prctl, _SET_PARENT_DEATH_SIGNAL, signal.SIGTERM),
    )
    os.close(write)
    relaying = threading.Thread(target=_relay, args=(read,), daemon=True)
    relaying.start()
    code = _wait(engine)
    relaying.join(1.0)
    return code


def leave_dead_parent() -> None:
    """Write to memory once the process that reads this one's output is gone. For a signal handler."""
    parent = os.environ.get(PARENT)
    if parent is None or int(parent) == os.getppid():
        return
    nowhere = os.memfd_create("output of a flow run without its worker")
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _outlive(command: Sequence[str]) -> int:
    """Run a command, and wait for the processes that it left behind."""
    _prctl(_SET_CHILD_SUBREAPER, 1)
    code = _wait(subprocess.Popen(command))
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    return code


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Pass SIGTERM on until the child ends. A terminal's Ctrl-C reaches the child by itself."""
    signal.signal(signal.SIGTERM, lambda number, _frame: child.send_signal(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _relay(read: int) -> None:
    """Copy what the engine writes to this process's own output, for as long as anybody reads it."""
    while data := os.read(read, 65536):
        with suppress(OSError):
            os.write(1, data)


def _prctl(option: int, value: int) -> None:
    """Set an option of this process, where the system is Linux; elsewhere a worker's end ends its runs at once."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
