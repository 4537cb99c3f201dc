"""Read a TOML table strictly; every error names the key, its value and the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from payer.environment.pasted import looks_secret
from payer.policy.rules import is_https_or_loopback
from payer.values.errors import Misconfigured
from payer.values.money import parse_decimal
from payer.wire.addresses import checksum
from payer.wire.strict_json import shown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_MISSING: Any = object()


class TomlTable:
    """One table. Unknown keys are refused at once, each value when it is taken; every method raises Misconfigured."""

    def __init__(self, path: str, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self._path = path
        self._values = values
        for key in values:
            if key not in known:
                raise self.wrong(key, "is not a key that tollbook knows", _did_you_mean(key, known))

    def name(self, key: str) -> str:
        """The key with its table's name before it."""
        return f"{self._path}.{key}" if self._path else key

    def wrong(self, key: str, what: str, fix: str) -> Misconfigured:
        return Misconfigured(f"{self.name(key)} {what}", advice=fix)

    def has(self, key: str) -> bool:
        return key in self._values

    def value(self, key: str, default: Any = _MISSING) -> Any:
        """A value of any type; without a default the key is required."""
        if key in self._values:
            return self._values[key]
        if default is _MISSING:
            raise self.wrong(key, "is missing", f"add {key} to [{self._path}]" if self._path else f"add [{key}]")
        return default

    def table(self, key: str, known: tuple[str, ...], *, optional: bool = False) -> TomlTable:
        """A table with known keys, an empty one where it is optional and absent."""
        value = self.value(key, {} if optional else _MISSING)
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {shown_safely(value)}, not a table", f"write it as [{self.name(key)}]")
        return TomlTable(self.name(key), value, known)

    def tables(self, key: str, known: tuple[str, ...]) -> list[tuple[str, TomlTable]]:
        """Every table below a key, such as [assets.USDC], with its name; at least one is required."""
        names = self.value(key)
        if not isinstance(names, dict) or not names:
            raise self.wrong(key, "names nothing", f"add a table such as [{key}.NAME]")
        for name in names:
            if not _NAME.fullmatch(name):
                raise self.wrong(f"{key}.{shown_safely(name)}", "is no name", "use letters, digits, '.', '_' and '-'")
        group = TomlTable(self.name(key), names, tuple(names))
        return [(name, group.table(name, known)) for name in names]

    def integer(self, key: str, low: int, high: int, default: int = _MISSING) -> int:
        """A whole number within bounds, both inclusive."""
        value = self.value(key, default)
        if type(value) is not int:
            raise self.wrong(key, f"is {shown_safely(value)}", f"write a whole number without quotes, {low} to {high}")
        if not low <= value <= high:
            raise self.wrong(key, f"is {shown_safely(value)}", f"allowed is {low} to {high}")
        return value

    def text(self, key: str, pattern: str, example: str) -> str:
        """A text that matches a pattern."""
        value = self.value(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.wrong(key, f"is {shown_safely(value)}", f"write text such as {example}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of non-empty texts, empty when absent."""
        value = self.value(key, [])
        if not isinstance(value, list) or any(not isinstance(entry, str) or not entry for entry in value):
            raise self.wrong(key, f"is {shown_safely(value)}", 'write a list of texts such as ["…"]')
        return tuple(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: str = _MISSING) -> str:
        """One of the allowed texts."""
        value = self.value(key, default)
        if value not in allowed:
            raise self.wrong(key, f"is {shown_safely(value)}", "allowed is " + ", ".join(f'"{one}"' for one in allowed))
        return str(value)

    def money(self, key: str, decimals: int, default: int = _MISSING) -> int:
        """Atomic units of a decimal string; `default` is in atomic units already."""
        value = self.value(key, default)
        if key not in self._values:
            return int(value)
        try:
            return parse_decimal(value, decimals)
        except (TypeError, ValueError) as error:
            fix = str(error)
        raise self.wrong(key, f"is {shown_safely(value)}", fix)

    def optional_money(self, key: str, decimals: int) -> int | None:
        """Atomic units of a decimal string, None where the key is left out."""
        return self.money(key, decimals) if key in self._values else None

    def address(self, key: str) -> str:
        """An address in its EIP-55 form."""
        return self.as_address(key, self.value(key))

    def as_address(self, key: str, value: Any) -> str:
        """A value of this key, or of a list in it, as an address in its EIP-55 form."""
        try:
            return checksum(value)
        except ValueError as error:
            fix = str(error)
        raise self.wrong(key, f"is {shown_safely(value)}", f"{fix}; copy it again from its source")

    def url(self, key: str, *, secret: bool = False) -> str:
        """An absolute URL without user, fragment or trailing slash; errors never quote a `secret` one (I10)."""
        return self._as_url(key, self.value(key), secret=secret)

    def urls(self, key: str, *, secret: bool = False) -> tuple[str, ...]:
        """A list of URLs, each as `url` reads one; empty when absent."""
        value = self.value(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list of addresses", 'write a list such as ["https://…", "https://…"]')
        return tuple(self._as_url(key, entry, secret=secret) for entry in value)

    def _as_url(self, key: str, value: Any, *, secret: bool) -> str:
        quoted = "is not a usable address" if secret else f"is {shown_safely(value)}"
        fix = "write an https address without user, query or fragment (http is for this machine only)"
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
            raise self.wrong(key, quoted, fix)
        try:
            parts = urlsplit(value)
            usable = bool(parts.hostname) and parts.port != 0 and is_https_or_loopback(parts)
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or parts.fragment or (parts.query and not secret):
            raise self.wrong(key, quoted, fix)
        return value.rstrip("/")


def shown_safely(value: object) -> str:
    """A value for a message; never a key or a recovery phrase that was pasted there (I10)."""
    if isinstance(value, str) and looks_secret(value):
        return "a private key or a recovery phrase, which belongs in no policy file: remove it"
    return shown(value)


def _did_you_mean(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else "known here: " + ", ".join(known)
