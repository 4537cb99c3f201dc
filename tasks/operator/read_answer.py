"""Read a sample of a seller's answer as a purchase of it would be read: typed rows, quarantine, notes. Free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sources.model import Dataset
from sources.parse.rows import ParsedBody, parse
from tasks.operator.sample import SAMPLE_KEY
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace

_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A sample answer of a dataset, parsed."""

    dataset: Dataset
    parsed: ParsedBody

    @property
    def exit_code(self) -> int:
        """5 where a paid body like this would be a failed delivery."""
        return 0 if self.parsed.envelope == "ok" else 5

    @property
    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.parsed.table.to_pylist()
        return found

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences on all that is not as declared."""
        drift, parsed = self.parsed.drift, self.parsed
        failed = (f"a failed delivery: {parsed.envelope}: {parsed.message}",) if self.exit_code else ()
        return (
            *failed,
            *(f"row {row.number} quarantined: {row.reason}" for row in parsed.quarantined),
            *(f"{name} is not declared: {kind}, kept in extras" for name, kind in drift.new.items()),
            *(f"{name} is declared, and in no row" for name in drift.vanished),
            *(f"{name}: {words}" for name, words in drift.changed.items()),
            *parsed.notes,
        )

    def document(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset.name,
            "table": self.dataset.table,
            "ok": not self.exit_code,
            "columns": {column.name: str(column.cast) for column in self.dataset.columns},
            "rows": [{name: _plain(value) for name, value in row.items()} for row in self.rows],
            "quarantined": [{"row": row.number, "reason": row.reason} for row in self.parsed.quarantined],
            "notes": list(self.words),
        }


def read_answer(ws: Workspace, dataset: Dataset, file: Path, keys: Sequence[str] = ()) -> ReadAnswer:
    """Read a file as an answer that came now to a request for `keys`. Raises BadRequest for an unreadable file."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise BadRequest(f"{file} can't be read: {error.strerror}", advice="name a file with one answer") from None
    if len(body) > _MOST_BYTES:
        raise BadRequest(f"{file} is longer than {_MOST_BYTES} bytes", advice="name a file with one answer")
    context = {"keys": list(keys) or [SAMPLE_KEY]}
    return ReadAnswer(dataset, parse(dataset, context, ws.clock.now(), 200, "application/json", body))


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
