"""The environment file `.env` beside the policy: read it strictly, lay the process's environment over it, change it.

No message quotes a value (I10). Other programs may keep variables of theirs in the same file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from payer.values.durable import is_open_to_others
from payer.values.errors import Misconfigured

POLICY = "TOLLBOOK_POLICY"
PREFIX = "TOLLBOOK_"
STORES = ("AWS_", "AZURE_", "GOOGLE_")
"""Beginnings of the names that object storage takes its credentials from."""
ENV_FILE = ".env"

PATHS = frozenset(
    {*(POLICY, "TOLLBOOK_HOME", "TOLLBOOK_KEYSTORE", "TOLLBOOK_KEYSTORE_PASSWORD_FILE"), "TOLLBOOK_NONCE_SECRET_FILE"}
)
"""Variables that name files and folders: in the file, a relative one counts from the file's folder."""

_KEY = "TOLLBOOK_PRIVATE_KEY"
_URLS = ("TOLLBOOK_SIGNER_URL", "TOLLBOOK_LEDGER_URL")
_NOTIFY = "TOLLBOOK_NOTIFY_URL"
_SECRET = re.compile("SECRET|TOKEN|PASSWORD|KEY$")
_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class EnvFile:
    """An environment file: its variables with the lines they stand on. Values may be secret and are never shown."""

    path: Path
    variables: Mapping[str, str] = field(repr=False)
    lines: Mapping[str, int] = field(repr=False)

    @property
    def ours(self) -> dict[str, str]:
        """Variables of tollbook, paths made absolute, and those of object storage, which it publishes to."""
        folder = self.path.parent
        return {
            name: str((folder / Path(value).expanduser()).absolute()) if name in PATHS and value else value
            for name, value in self.variables.items()
            if name.startswith((PREFIX, *STORES))
        }

    def place(self, name: str) -> str:
        return f"{self.path}, line {self.lines[name]}"


def policy_path(environ: Mapping[str, str]) -> Path:
    """The policy file that the environment names; by default `policy.toml` in the working directory."""
    return Path(environ.get(POLICY) or "policy.toml").expanduser().absolute()


def env_file_beside(policy: Path) -> EnvFile | None:
    """Read the environment file in the policy's folder; None where there is none. Raises Misconfigured."""
    path = policy.parent / ENV_FILE
    if path.is_dir():
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(
            f"the environment file {path} can't be read: {error.strerror}", advice="let this user read it, or move it"
        ) from None
    found = parse_env_file(path, raw)
    if (secret := _secret_in(found.variables)) and is_open_to_others(path.resolve()):
        raise Misconfigured(
            f"other users may read {path}, which holds {secret}", advice=f"run `chmod 600 {path}`, then run it again"
        )
    return found


def parse_env_file(path: Path, raw: bytes) -> EnvFile:
    """Read the lines `NAME=value` as python-dotenv does, with quotes, comments and `export`; `$` stands for itself.

    Raises Misconfigured for a line that is none, and for a variable of tollbook that stands there twice.
    """
    from dotenv.parser import parse_stream

    if len(raw) > _LIMIT:
        raise Misconfigured(f"the environment file {path} is longer than {_LIMIT} bytes", advice="it should be a page")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise Misconfigured(f"the environment file {path} is not UTF-8 text", advice="save it as UTF-8") from None
    variables: dict[str, str] = {}
    lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        line = binding.original.line + len(original) - len(original.lstrip("\n"))  # blank lines before it count to it
        if binding.error:
            raise Misconfigured(
                f"{path}, line {line} can't be read", advice="write NAME=value, and close what is in quotes"
            )
        if binding.key is None or (binding.value is None and not binding.key.startswith(PREFIX)):
            continue
        if binding.value is None:
            raise Misconfigured(f"{path}, line {line}: {binding.key} has no value", advice="write NAME=value")
        if binding.key in variables and binding.key.startswith(PREFIX):
            raise Misconfigured(
                f"{path} has {binding.key} twice, on lines {lines[binding.key]} and {line}", advice="remove one of them"
            )
        variables[binding.key], lines[binding.key] = binding.value, line
    return EnvFile(path, variables, lines)


def laid_over(file: EnvFile | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the file with the environment's over them: the real ones win."""
    return {**(file.ours if file else {}), **environ}


def _secret_in(variables: Mapping[str, str]) -> str:
    """The name of a variable that others may not read, "" for none: a key, or a URL that may hold a password."""
    named = [name for name in (_KEY, _NOTIFY) if variables.get(name)]
    named += [name for name in _URLS if "@" in variables.get(name, "")]
    named += [name for name in variables if name.startswith(STORES) and _SECRET.search(name) and variables[name]]
    return named[0] if named else ""


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
