"""The lines on which the keys of a TOML text stand, which tomllib doesn't tell. Pure."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""Keys, and places in arrays, from the top of the document."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'", re.DOTALL
)
_BARE = re.compile(r"[^,\]}\n#]*")


def lines_of(text: str) -> dict[Path, int]:
    """Map the path of every key, table and element to its line. `text` is TOML that tomllib has read."""
    return _Scan(text).lines


def _unescaped(text: str) -> str:
    """A quoted key's text."""
    key: str = tomllib.loads(f'key = "{text}"')["key"]
    return key


class _Scan:
    """One pass over a TOML text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self.at = 0
        prefix: Path = ()
        self._skip()
        while self.at < len(text):
            if text[self.at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip()

    def _skip(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _note(self, path: Path, at: int) -> None:
        line = bisect_right(self.starts, at)
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def _keys(self) -> list[str]:
        """A dotted key, from its first part on."""
        keys: list[str] = []
        while match := _KEY.match(self.text, self.at):
            keys.append(
                _unescaped(match[1]) if match[1] is not None else match[2] if match[2] is not None else match[3]
            )
            self.at = match.end()
            if self.text[self.at : self.at + 1] != ".":
                break
            self.at += 1
        return keys

    def _header(self) -> Path:
        begin, is_array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        path: Path = ()
        keys = self._keys()
        for number, key in enumerate(keys):
            path = (*path, key)
            if is_array and number == len(keys) - 1:
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path = (*path, self.counts[path])
        self.at += 2 if is_array else 1
        self._note(path, begin)
        return path

    def _pair(self, prefix: Path) -> None:
        begin, keys = self.at, self._keys()
        path = (*prefix, *keys)
        self._note(path, begin)
        self.at = self.text.index("=", self.at) + 1
        self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._elements(path)
        elif opening == "{":
            self._fields(path)
        else:
            match = _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at)
            self.at = max(match.end() if match else 0, self.at + 1)

    def _elements(self, path: Path) -> None:
        self.at += 1
        for number in range(len(self.text)):
            self._skip_comma()
            if self.text[self.at : self.at + 1] in ("]", ""):
                break
            self._note((*path, number), self.at)
            self._value((*path, number))
        self.at += 1

    def _fields(self, path: Path) -> None:
        self.at += 1
        while True:
            self._skip_comma()
            if self.text[self.at : self.at + 1] in ("}", ""):
                break
            self._pair(path)
        self.at += 1

    def _skip_comma(self) -> None:
        self._skip()
        if self.text[self.at : self.at + 1] == ",":
            self.at += 1
            self._skip()
