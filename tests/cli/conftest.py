"""The command as a person runs it, in this process (a child process costs half a second) and against a real world."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tollbook.cli.main import run

if TYPE_CHECKING:
    from sandbox.world import Buyer


@dataclass(frozen=True)
class Said:
    """One invocation's exit code and words."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document that --json promises."""
        return json.loads(self.out)


class Command:
    """`tollbook …` with an environment of its own."""

    def __init__(
        self, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.env, self._patch, self._capsys = dict(env), monkeypatch, capsys

    def __call__(self, *arguments: str, **changes: str | None) -> Said:
        """Run it. `changes` set or (None) unset variables for this call."""
        env = {**self.env, **changes}
        for name in [name for name in os.environ if name.startswith("TOLLBOOK_")]:
            self._patch.delenv(name)
        for name, value in env.items():
            if value is not None:
                self._patch.setenv(name, value)
        self._capsys.readouterr()
        code = run(arguments)
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)


@pytest.fixture
def tollbook(buyer: Buyer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command with a funded buyer's environment."""
    return Command(buyer.env, monkeypatch, capsys)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command with nothing configured."""
    return Command({}, monkeypatch, capsys)
