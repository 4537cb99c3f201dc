"""Memory of what people were told: each finding once when it appears or changes, and once when it is over.

Kept in `state/health.json`. What could not be told stays untold, so that the next check tries again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from payer.values.durable import fsync_path, make_private_file
from tasks.health.finding import Finding


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as it was told: its sign, and its text for when it is over."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class HealthChanges:
    """Findings that are new or changed, and keys with texts of those that are over."""

    appeared: tuple[Finding, ...]
    over: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.appeared or self.over)


def compare(told: Mapping[str, Told], findings: Sequence[Finding]) -> HealthChanges:
    """Compare what is found with what was told. Pure."""
    current = {finding.key for finding in findings}
    appeared = tuple(each for each in findings if each.key not in told or told[each.key].sign != each.sign)
    return HealthChanges(appeared, {key: each.text for key, each in told.items() if key not in current})


def after(findings: Sequence[Finding]) -> dict[str, Told]:
    """Return the memory once people know all of it."""
    return {finding.key: Told(finding.sign, finding.text) for finding in findings}


class Memory:
    """The file of what was told. `held` keeps other processes out, so that a change is told once."""

    def __init__(self, state: Path) -> None:
        self._path = state / "health.json"
        self._lock = FileLock(str(state / "health.lock"), mode=0o600)

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            yield

    def read(self, *, sent: bool = False) -> dict[str, Told]:
        """Return what was told; with `sent`, what was sent to people, not only shown.

        Nothing where the file is missing or can't be read, so that all is told again.
        """
        try:
            document = json.loads(self._path.read_text("utf-8"))
            if sent and not document["sent"]:
                return {}
            return {key: Told(**value) for key, value in document["findings"].items()}
        except (FileNotFoundError, ValueError, TypeError, LookupError, AttributeError):
            return {}

    def write(self, told: Mapping[str, Told], *, sent: bool) -> None:
        """Replace the file as a whole, durably."""
        new = self._path.with_suffix(".new")
        make_private_file(new)
        findings = {key: asdict(each) for key, each in told.items()}
        new.write_text(json.dumps({"sent": sent, "findings": findings}), "utf-8")
        fsync_path(new)
        os.replace(new, self._path)
        fsync_path(self._path.parent)
