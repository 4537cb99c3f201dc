"""Change variables in the text of an environment file, and leave everything else as its author wrote it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping

SECRET = frozenset({"TOLLBOOK_PRIVATE_KEY", "TOLLBOOK_SIGNER_URL", "TOLLBOOK_LEDGER_URL", "TOLLBOOK_NOTIFY_URL"})
"""Variables whose values may hold a secret: shown to nobody."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,~-]+", re.ASCII)


def edited(text: str, values: Mapping[str, str | None]) -> str:
    """Return the text with each variable set to its value, or removed where that is None.

    A variable that has its value already keeps its line as it is; a new one goes to the end. Comments, order, and
    variables of other programs stay.
    """
    lines = list(_lines(text, values))
    present = {name for name, _ in lines}
    new = [f"{name}={quoted(value)}\n" for name, value in values.items() if value is not None and name not in present]
    kept = "".join(line for _, line in lines)
    gap = "\n" if kept and new and not kept.endswith("\n") else ""
    return kept + gap + "".join(new)


def _lines(text: str, values: Mapping[str, str | None]) -> Iterator[tuple[str | None, str]]:
    """Each part of the text with the variable that it sets; parts of a removed variable are left out."""
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        original, name = binding.original.string, binding.key
        if name is None or name not in values or values[name] == binding.value:
            yield name, original
        elif (value := values[name]) is not None:
            before = original[: len(original) - len(original.lstrip("\n"))]
            yield name, f"{before}{name}={quoted(value)}\n"


def quoted(value: str) -> str:
    """A value as the file has it: plain where it may be, else in single quotes."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def without_secrets(line: str) -> str:
    """A line of the file to show: the value of a variable that may hold a secret is hidden."""
    return re.sub(
        rf"^([-+ ]?\s*(?:export\s+)?(?:{'|'.join(sorted(SECRET))})\s*=).*$", r"\1…", line.rstrip("\n"), flags=re.S
    )
