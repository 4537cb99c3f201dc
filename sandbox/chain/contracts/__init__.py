"""The sandbox's contracts: source, and what the pinned compiler made of it (artifacts.json; a test compiles again)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

SOURCES = ("Eip3009Token.sol", "Multicall3.sol")


@cache
def artifacts() -> dict[str, Any]:
    """`artifacts.json`: compiler, settings, and per contract abi, bytecode, runtime, source_sha256."""
    document: dict[str, Any] = json.loads(files(__package__).joinpath("artifacts.json").read_text())
    return document


def contract(name: str) -> dict[str, Any]:
    """One contract's abi, bytecode (creation), runtime (deployed) and source hash."""
    entry: dict[str, Any] = artifacts()["contracts"][name]
    return entry
