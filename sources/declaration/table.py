"""Read one TOML table of a declaration strictly; every error names the line, the key, its value and the fix."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from sources.model import DAY, HOUR, WEEK
from sources.shown import shown


class DeclarationFault(ValueError):
    """Raised for a declaration that can't be used. `line` counts from 1; 0 is the whole file."""

    def __init__(self, what: str, fix: str, line: int = 0, file: str = "") -> None:
        self.what, self.fix, self.line, self.file = what, fix, line, file
        place = f"{file or 'the declaration'}{f' line {line}' if line else ''}"
        super().__init__(f"{place}: {what}; {fix}")


E = TypeVar("E", bound=StrEnum)

Path = tuple[str, ...]
"""Keys from the top of the document."""

_UNITS = {"second": 1, "minute": 60, "hour": HOUR, "day": DAY, "week": WEEK}
_SPAN = re.compile(r"(?:([0-9]{1,6}) )?(second|minute|hour|day|week)s?")


def line_of(text: str, path: Path) -> int:
    """The line on which a key or table begins, else the table that would have it; 0 for none. `text` is valid TOML."""
    lines = _lines_of(text)
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)


def _lines_of(text: str) -> dict[Path, int]:
    """Map the path of every key and table to its line, which tomllib doesn't tell: it is asked for one key at a time,
    below the header of its table."""
    lines: dict[Path, int] = {}
    header, part, begin = "", "", 1
    for number, line in enumerate(text.split("\n"), 1):
        part += line + "\n"
        is_header = part.lstrip().startswith("[")
        try:
            document = tomllib.loads(part if is_header else header + part)
        except tomllib.TOMLDecodeError:
            continue  # its value goes on
        for path in _paths(document):
            lines.setdefault(path, begin)
        header, part, begin = (part if is_header else header), "", number + 1
    return lines


def _paths(document: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    for key, value in document.items():
        yield (*above, key)
        yield from _paths(value, (*above, key)) if isinstance(value, dict) else ()


class StrictTable:
    """One table of a TOML text. Unknown keys are refused at once, each value when it is taken: DeclarationFault."""

    def __init__(self, path: Path, values: Mapping[str, Any], text: str, known: tuple[str, ...] | None):
        self._path, self._values, self._text = path, values, text
        for key in values:
            if known is not None and key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                raise self.wrong(key, "is not a key that tollbook knows", fix)

    def wrong(self, key: str, what: str, fix: str) -> DeclarationFault:
        """An error about a key, or about the table where the key is missing."""
        path = (*self._path, key)
        return DeclarationFault(f"{'.'.join(path)} {what}", fix, line_of(self._text, path))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def has(self, key: str) -> bool:
        return key in self._values

    def value(self, key: str, example: str, default: Any = None) -> Any:
        """The value, or the default; required where there is none."""
        if key not in self._values and default is None:
            raise self.wrong(key, "is missing", f"add it, such as {key} = {example}")
        return self._values.get(key, default)

    def table(self, key: str, known: tuple[str, ...] | None) -> StrictTable | None:
        """A table below this one with known keys (None: any), where it is there."""
        if key not in self._values:
            return None
        if not isinstance(self._values[key], dict):
            raise self.wrong(key, f"is {shown(self._values[key])}", f"write a table: {key} = {{ … }}")
        return StrictTable((*self._path, key), self._values[key], self._text, known)

    def text(self, key: str, example: str = '"…"', default: str | None = None, pattern: str = r"[^\x00]*") -> str:
        value = self.value(key, example, default)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.wrong(key, f"is {shown(value)}", f"write text such as {example}")
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None, *, least: int = 0) -> tuple[str, ...]:
        value = self.value(key, '["…"]', default)
        if (
            not isinstance(value, (list, tuple))
            or len(value) < least
            or not all(isinstance(e, str) and e for e in value)
        ):
            raise self.wrong(key, f"is {shown(value)}", f'write a list of texts such as {key} = ["…"]')
        return tuple(value)

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        value = self.value(key, f'"{next(iter(kind))}"', default)
        if not isinstance(value, str) or value not in tuple(kind):
            allowed = ", ".join(f'"{one}"' for one in kind)
            raise self.wrong(key, f"is {shown(value)}", f"allowed is {allowed}")
        return kind(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, f"is {shown(value)}", "write true or false, without quotes")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds, both inclusive."""
        value = self.value(key, str(low), default)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"is {shown(value)}", f"write a whole number from {low} to {high}, without quotes")
        return value

    def seconds(self, key: str, default: int | None = None) -> int:
        """A span of time: whole seconds, or text such as "day", "6 hours"."""
        value = self.value(key, '"day"', default)
        if type(value) is int and 0 <= value <= 366 * DAY:
            return value
        match = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if not match:
            raise self.wrong(key, f"is {shown(value)}", 'write seconds, or text such as "day", "6 hours" or "2 days"')
        return int(match[1] or 1) * _UNITS[match[2]]

    def day(self, key: str) -> date:
        value = self.value(key, "2021-01-01")
        if type(value) is not date:
            raise self.wrong(key, f"is {shown(value)}", "write a date without quotes, such as 2021-01-01")
        return value

    def text_map(self, key: str) -> dict[str, str]:
        """A table from name to text; empty when absent."""
        value = self._values.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
            raise self.wrong(key, f"is {shown(value)}", f'write a table of texts such as {key} = {{ name = "…" }}')
        return dict(value)

    def json_object(self, key: str) -> dict[str, Any] | None:
        """A table of JSON values, or the same as JSON text, which alone can say null; None when absent."""
        value = self._values.get(key)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise self.wrong(key, f"is no JSON: {error}", "write a table, or one JSON object as text") from None
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, f"is {shown(value)}", f"write a table such as {key} = {{ limit = 10 }}")
        return value
