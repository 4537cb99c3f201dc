"""One deliberate fault: a piece of a file, what stands there instead, and the nearest tests that must fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutant:
    """`before` stands exactly once in `file`; `tests` are pytest's arguments, at least one of which must fail."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def planted(self, root: Path) -> str:
        """The file's text with the fault in it. Raises ValueError unless the place is found exactly once."""
        text = (root / self.file).read_text()
        if (found := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its place {found} times; write it again")
        return text.replace(self.before, self.after)


def of(file: str, tests: tuple[str, ...], **faults: tuple[str, str]) -> list[Mutant]:
    """Mutants of one file that the same tests must notice, by name."""
    return [Mutant(name.replace("_", "-"), file, before, after, tests) for name, (before, after) in faults.items()]
