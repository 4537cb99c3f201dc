"""The error of a declaration: where it stands, what is wrong, and what to write instead."""

from __future__ import annotations


class DeclarationFault(ValueError):
    """Raised for a declaration that can't be used. `line` counts from 1; 0 is the whole file."""

    def __init__(self, what: str, fix: str, line: int = 0, file: str = "") -> None:
        self.what, self.fix, self.line, self.file = what, fix, line, file
        place = f"{file or 'the declaration'}{f' line {line}' if line else ''}"
        super().__init__(f"{place}: {what}; {fix}")
