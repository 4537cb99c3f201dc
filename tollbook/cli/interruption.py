"""Interruption of the command: Ctrl-C and SIGTERM, what is said about them, and the exit codes 130 and 143."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from payer.values.errors import PayerError
from tasks.workspace.stop_signals import STDERR

SHELL_BASE = 128
"""A shell's exit code of a command that a signal ended is this much more than the signal's number."""

_received: list[int] = []


class StoppedAtOnce(PayerError):
    """Raised when a second signal ended a run that was waiting for payments on their way."""

    money = "what was sent may be taken; all of it is in the ledger"
    repeat = "yes: payments that were sent are asked for first, nothing is bought twice"
    advice = "run `tollbook recover`: it asks for what is on its way"


class EndedAtOnce(PayerError):
    """Raised when a signal ended a command that waits for nothing."""

    money = "what was sent before, if anything, is in the ledger: `tollbook status` shows it"
    repeat = "yes: open purchases are claimed first, nothing is bought twice"


def forget() -> None:
    """Begin a new command line."""
    _received.clear()


def note(number: int) -> None:
    _received.append(number)


def is_interrupted() -> bool:
    """True once a signal asked this command to stop."""
    return bool(_received)


def exit_code(otherwise: int) -> int:
    """Return 130 or 143 for an interrupted command, else the code given."""
    return SHELL_BASE + _received[0] if _received else otherwise


def end_on_sigterm() -> None:
    """Let SIGTERM end the process as Ctrl-C does: files and databases are closed, and something is said."""
    signal.signal(signal.SIGTERM, _terminate)


def say(text: str) -> None:
    """Write to stderr from within a signal handler: the buffered stream may be in use, and may be closed."""
    with contextlib.suppress(OSError):
        os.write(STDERR, f"\n{text}\n".encode())


def payments(count: int) -> str:
    if count == 1:
        return "1 payment is on its way"
    return f"{count} payments are on their way" if count else "no payment is on its way"


def _terminate(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does here: in a loop that cancels its task.

    An exception that is raised between any two steps of a loop may be swallowed there, by a finalizer, or leave the
    loop half done and waiting for ever.
    """
    note(number)
    ctrl_c = signal.getsignal(signal.SIGINT)
    if not callable(ctrl_c):
        raise KeyboardInterrupt
    ctrl_c(signal.SIGINT, frame)
