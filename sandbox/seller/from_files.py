"""Sell what TOML files declare, as their declarations say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sources import registry
from sources.declaration.fault import DeclarationFault
from sources.declaration.read import read_declaration


class UnusableDeclaration(Exception):
    """Raised for a file that declares nothing the sandbox could sell; `fix` says what to write instead."""

    def __init__(self, fault: DeclarationFault) -> None:
        super().__init__(f"{fault.file}, line {fault.line}: {fault.what}")
        self.fix = fault.fix


def declare(files: Mapping[str, Path]) -> None:
    """Sell what these files declare, by the sellers' names. Raises UnusableDeclaration."""
    try:
        registry.declare([read_declaration(path, name) for name, path in files.items()])
    except DeclarationFault as fault:
        raise UnusableDeclaration(fault) from None
