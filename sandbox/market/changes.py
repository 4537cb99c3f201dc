"""What a test does to the data on sale: new, lost and changed columns, a restated day, a row that comes late."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(slots=True)
class Drift:
    """Changes to every row of one endpoint: columns to add, drop, rename, or give another value ("retype")."""

    add: Mapping[str, Any] = field(default_factory=dict)
    drop: Iterable[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    retype: Mapping[str, Any] = field(default_factory=dict)
    older: bool = False

    def apply(self, row: Row) -> Row:
        gone = set(self.drop)
        kept = {self.rename.get(name, name): value for name, value in row.items() if name not in gone}
        return {**kept, **{name: self.retype[name] for name in self.retype if name in kept}, **self.add}


class Changes:
    """All changes switched on, by endpoint name such as "tm-grade"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._drift: dict[str, Drift] = {}
        self._restated: dict[tuple[str, int, int], Row] = {}
        self._held: dict[tuple[str, int, int], int] = {}

    def drift(self, endpoint: str, **what: Any) -> None:
        """Change the endpoint's columns from now on; `older=True` serves the older generation of tm-grade rows."""
        self._drift[endpoint] = Drift(**what)

    def restate(self, endpoint: str, token_id: int, day: int, columns: Mapping[str, Any]) -> None:
        """Give one row of history other values, as a seller that corrects itself does."""
        self._restated[(endpoint, token_id, day)] = dict(columns)

    def hold_back(self, endpoint: str, token_id: int, slot: int, pages: int = 1) -> None:
        """Leave one row out until the endpoint has served so many more pages: it then appears between two pages.
        For moonshots `slot` is the minute of MOONSHOT_AT and `token_id` the picked token's."""
        self._held[(endpoint, token_id, slot)] = pages

    # -- asked by the market ----------------------------------------------------------------------

    def is_older(self, endpoint: str) -> bool:
        return endpoint in self._drift and self._drift[endpoint].older

    def hides(self, endpoint: str) -> Callable[[int, int], bool] | None:
        """A test for rows held back now, or None when the endpoint has none."""
        held = {(token, slot) for (name, token, slot), pages in self._held.items() if name == endpoint and pages > 0}
        return (lambda token, slot: (token, slot) in held) if held else None

    def served(self, endpoint: str) -> None:
        """A page of the endpoint went out."""
        with self._lock:
            for key in [key for key in self._held if key[0] == endpoint]:
                self._held[key] -= 1
                if self._held[key] <= 0:
                    del self._held[key]

    def applied(self, endpoint: str, rows: list[tuple[int, int, Row]]) -> list[Row]:
        """Rows as they go out; each comes with its token id and slot."""
        drift = self._drift.get(endpoint)
        if drift is None and not self._restated:
            return [row for _, _, row in rows]
        changed = [row | self._restated.get((endpoint, token, slot), {}) for token, slot, row in rows]
        return changed if drift is None else [drift.apply(row) for row in changed]
