"""Reading docs/operating.md as the tests do: its commands and its examples are taken from the page itself."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from tests.paths import DOCS, ROOT

PROJECT = ROOT
PAGE = DOCS / "operating.md"

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.S | re.M)


def blocks(info: str) -> list[str]:
    """Bodies of the fenced blocks whose info string is exactly `info`."""
    return [match["body"] for match in _FENCE.finditer(PAGE.read_text()) if match["info"].strip() == info]


def commands(info: str) -> list[list[str]]:
    """The lines of those blocks as argument lists; `&` at a line's end is dropped."""
    lines = [line for body in blocks(info) for line in body.splitlines() if line.strip()]
    return [shlex.split(line.removesuffix("&").strip()) for line in lines]


def examples() -> dict[str, Any]:
    """Every JSON example by its name."""
    found = {}
    for match in _FENCE.finditer(PAGE.read_text()):
        if match["info"].startswith("json example="):
            found[match["info"].removeprefix("json example=").strip()] = json.loads(match["body"])
    return found
