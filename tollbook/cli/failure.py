"""Errors as a person reads them: what happened to the money, whether a retry is safe, what to do."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from typing import Any

from payer.values.errors import Misconfigured, PayerError, PolicyMissing
from tasks.workspace.cache_trouble import trouble_of
from tollbook.templates import template

USAGE = 2
UNFORESEEN = 4


def document(error: PayerError) -> dict[str, Any]:
    return {
        "error": {
            "kind": type(error).__name__,
            "what": error.what,
            "money": error.money,
            "repeat": error.repeat,
            "advice": error.fix,
            "exit_code": error.exit_code,
        }
    }


def text(error: PayerError, *, width: int | None = None) -> str:
    """The error and its three sentences; folded to `width` columns for a terminal."""
    lines = [f"error: {error.what}", f"  Money: {error.money}.", f"  Run it again? {_sentence(error.repeat)}"]
    if error.fix:
        lines.append(f"  What to do: {error.fix.rstrip('.')}.")
    if width is None:
        return "\n".join(lines)
    folded = (textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False) for line in lines)
    return "\n".join(part for parts in folded for part in parts)


def report(error: Exception, *, as_json: bool) -> int:
    """Say it where the caller listens (--json: stdout, else stderr) and return the exit code."""
    known = _known(error)
    if as_json:
        print(json.dumps(document(known), indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
        print(text(known, width=width), file=sys.stderr)
    return known.exit_code


def interrupted() -> None:
    print(
        "\ninterrupted: what was already sent is in the ledger.\n"
        "  Money: see `tollbook status`.\n"
        "  Run it again? Yes: open purchases are claimed first, nothing is bought twice.",
        file=sys.stderr,
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _known(error: Exception) -> PayerError:
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return BadUsage(usage())
    if isinstance(error, PolicyMissing):
        return _with_template(error)
    return trouble_of(error) or Unforeseen(f"{type(error).__name__}: {error}")


def _with_template(error: PolicyMissing) -> PolicyMissing:
    copy = f"cp {shlex.quote(str(template('policy.toml')))} ."
    return PolicyMissing(
        error.what, advice=f"copy the shipped one and review every line (`{copy}`), or set TOLLBOOK_POLICY"
    )


class BadUsage(Misconfigured):
    """The command line itself can't be understood."""

    repeat = "yes, once the command is mended"
    advice = "see `tollbook --help`, or `tollbook VERB --help`"


class Unforeseen(PayerError):
    """A bug, or a fault that nothing above names. Payments in flight are as safe as after a crash."""

    money = "if anything was sent it is in the ledger; see `tollbook status`"
    repeat = "yes: open purchases are claimed first, nothing is bought twice"
    advice = "report this with the message above if it happens again"
    exit_code = UNFORESEEN
