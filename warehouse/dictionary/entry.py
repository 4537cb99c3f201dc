"""Entries of the dictionary: of one column, and of one table."""

from __future__ import annotations

from dataclasses import dataclass

from sources.model import Evidence

NONE = "none"
"""The unit of what has none, and the time basis of what is of no time."""


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """Meaning, unit, time basis (the time that a value is of) and source of one column."""

    meaning: str
    unit: str = NONE
    time_basis: str = NONE
    source: Evidence = Evidence.DERIVED

    @property
    def comment(self) -> str:
        return f"{self.meaning.rstrip('.')}. Unit: {self.unit}. Time: {self.time_basis}. Source: {self.source}."


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Meaning of a table or view, the key that tells its rows apart, and the column that dates them (None: none).

    `nullable` are columns of the key that may be null.
    """

    meaning: str
    key: tuple[str, ...]
    time_column: str | None = None
    source: Evidence = Evidence.DERIVED
    nullable: tuple[str, ...] = ()

    @property
    def comment(self) -> str:
        grain = f" One row per {', '.join(self.key)}." if self.key else ""
        return f"{self.meaning.rstrip('.')}.{grain} Source: {self.source}."
