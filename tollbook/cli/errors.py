"""Print errors: what happened to the money, whether a retry is safe, what to do."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from payer.values.errors import Misconfigured, PayerError, PolicyMissing, Unforeseen
from tasks.workspace.cache_trouble import as_payer_error
from tollbook.cli import interruption
from tollbook.templates import template


def document(error: PayerError) -> dict[str, Any]:
    return {
        "error": {
            "kind": type(error).__name__,
            "what": error.what,
            "money": error.money,
            "repeat": error.repeat,
            "advice": error.fix,
            "exit_code": interruption.exit_code(error.exit_code),
        }
    }


def text(error: PayerError, *, width: int | None = None) -> str:
    """Format an error with its three sentences, folded to `width` columns for a terminal."""
    repeat = f"{error.repeat[:1].upper()}{error.repeat[1:]}"
    lines = [f"error: {error.what}", f"  Money: {error.money}.", f"  Run it again? {_ended(repeat)}"]
    if error.fix:
        lines.append(f"  What to do: {_ended(error.fix)}")
    if width is None:
        return "\n".join(lines)
    folded = (textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False) for line in lines)
    return "\n".join(part for parts in folded for part in parts)


def report(error: Exception, *, as_json: bool) -> int:
    """Print an error on stderr, or with --json as a document on stdout, and return its exit code."""
    shown = _as_payer_error(error)
    if as_json:
        print(json.dumps({**document(shown), "interrupted": interruption.is_interrupted()}, indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
        print(text(shown, width=width), file=sys.stderr)
    return shown.exit_code


def interrupted(*, as_json: bool) -> int:
    """Print what an interruption leaves behind, and return 130 (Ctrl-C) or 143 (SIGTERM)."""
    if not interruption.is_interrupted():
        interruption.note(signal.SIGINT)
    return interruption.exit_code(report(interruption.EndedAtOnce("interrupted"), as_json=as_json))


def _ended(words: str) -> str:
    return words if words.endswith("?") else f"{words.rstrip('.')}."


def _as_payer_error(error: Exception) -> PayerError:
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return BadUsage(usage())
    if isinstance(error, PolicyMissing):
        copy = f"cp {shlex.quote(str(template('policy.toml')))} ."
        shipped = f"copy the shipped one and review every line (`{copy}`)"
        return PolicyMissing(error.what, advice=f"run `tollbook init`; or {shipped}, or set TOLLBOOK_POLICY")
    return as_payer_error(error) or Unforeseen(f"{type(error).__name__}: {error}")


class BadUsage(Misconfigured):
    """Raised when the command line can't be understood."""

    repeat = "yes, once the command is corrected"
    advice = "see `tollbook --help`, or `tollbook VERB --help`"


@contextmanager
def needs_sandbox() -> Iterator[None]:
    """Raise Misconfigured with the command that installs the extra where an import inside fails."""
    try:
        yield
    except ImportError as missing:
        raise Misconfigured(
            f"the sandbox is not installed: {missing.name} is missing",
            advice="install tollbook with its extra: `pip install 'tollbook[sandbox]'`; in a checkout run `make demo`",
        ) from None
