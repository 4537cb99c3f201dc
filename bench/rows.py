"""One benchmark figure, and how it is judged and printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is ours ÷ peer (or ours ÷ limit); `aim` is the largest ratio that will do, None where there is none."""

    measure: str
    ours: str
    peer: str
    ratio: float | None = None
    aim: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """None when there is no aim to reach."""
        return None if self.aim is None or self.ratio is None else self.ratio <= self.aim


def table(title: str, rows: list[Row]) -> str:
    """A Markdown table, so that what is printed is what docs/ holds."""
    lines = [f"## {title}", "", "| measure | ours | peer | ratio | aim | |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        aim = "" if row.aim is None else f"≤ {row.aim:g}"
        verdict = {True: "reached", False: "**missed**", None: ""}[row.reached]
        lines.append(f"| {row.measure} | {row.ours} | {row.peer} | {ratio} | {aim} | {verdict} {row.note} |")
    return "\n".join(lines) + "\n"
