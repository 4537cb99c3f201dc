"""Draw coverage: a row per token, a cell per day, coloured by whether its row is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tasks.report import charts
from tasks.report.figures import Row, TableCoverage

if TYPE_CHECKING:
    import altair as alt

MOST_CELLS = 1_000
"""Days that are drawn one by one; more are drawn as runs."""
MOST_RUNS = 2_500
"""Runs that are drawn exactly; more are drawn week by week."""
MOST_TOKENS = 60
APART = 6
"""Pixels of a day from which days are told apart."""
PARTLY = "some missing"
"""The state of a week in which at most half of the days are missing."""
STATES = {
    "held": "var(--held)",
    "confirmed empty": "var(--empty)",
    PARTLY: "var(--partly)",
    "missing": "var(--missing)",
}
"""States that are told apart, with their colours."""


def state_of(state: str) -> str:
    """The state that a cell is drawn in: gaps of every kind are missing."""
    return state if state in STATES else "missing"


def coverage(table: TableCoverage, tokens: Sequence[int]) -> charts.Drawing:
    """Draw the tokens in the given order, up to MOST_TOKENS of them."""
    drawn_tokens = tokens[:MOST_TOKENS]
    runs = [run for run in table.runs if run["token_id"] in set(drawn_tokens)]
    names = unique_names(runs)
    one_by_one, joined = (
        [{**cell, "token": names[cell["token_id"]]} for cell in cells_of(runs, most)] for most in (MOST_CELLS, 0)
    )
    order = [names[token] for token in drawn_tokens if token in names]
    first, end = table.first, charts.day_after(table.last)

    def drawn(width: int) -> alt.Chart:
        import altair as alt

        room = charts.plot_width(first, end, width - 80, 30)
        apart = room / charts.days_between(first, end) >= APART and len(one_by_one) <= MOST_CELLS
        cells = one_by_one if apart else joined
        edge: dict[str, Any] = {"stroke": "var(--card)", "strokeWidth": 0.8} if apart else {}
        states = alt.Scale(domain=list(STATES), range=list(STATES.values()))
        chart: alt.Chart = (
            alt.Chart(charts.inline(cells))
            .mark_rect(height={"band": 0.82}, clip=True, **edge)
            .encode(
                x=alt.X("first:T", scale=charts.time_scale(first, end), axis=charts.time_axis(first, end, room)),
                x2="until:T",
                y=alt.Y("token:N", sort=order, title=None, axis=alt.Axis(labelLimit=76, ticks=False, domain=False)),
                color=alt.Color("state:N", scale=states, legend=None),
            )
            .properties(width=room, height={"step": 20 if len(order) <= 25 else 15})
        )
        return chart

    return charts.Drawing(charts.to_svg(drawn(charts.BROAD)), charts.to_svg(drawn(charts.NARROW)))


def unique_names(rows: Iterable[Row]) -> dict[int, str]:
    """Symbols by token id; those of several tokens are followed by the id."""
    symbols = {row["token_id"]: str(row["symbol"]) for row in rows}
    all_of_them = list(symbols.values())
    return {token: f"{name} {token}" if all_of_them.count(name) > 1 else name for token, name in symbols.items()}


def cells_of(runs: Sequence[Row], most: int = MOST_CELLS) -> list[Row]:
    """Return the rectangles to draw: days up to `most`, else runs, else weeks."""
    spans = [{**run, "state": state_of(run["state"])} for run in runs]
    if sum(run["days"] for run in runs) <= most:
        return [_cell(run, day, day + timedelta(days=1)) for run in spans for day in _days(run)]
    if not by_week(spans):
        return [_cell(run, _days(run)[0], _days(run)[-1] + timedelta(days=1)) for run in spans]
    return _weeks(spans)


def by_week(runs: Sequence[Row]) -> bool:
    """True where days are too many, and too mixed, to be drawn one by one or as runs."""
    return sum(run["days"] for run in runs) > MOST_CELLS and len(runs) > MOST_RUNS


def _weeks(spans: Iterable[Row]) -> list[Row]:
    """Judge each week by its days, and join equal weeks in a row."""
    weeks: dict[tuple[int, date], Counter[str]] = {}
    for run in spans:
        for day in _days(run):
            key = run["token_id"], day - timedelta(days=day.weekday())
            weeks.setdefault(key, Counter())[run["state"]] += 1
    joined: list[Row] = []
    for (token, week), days in sorted(weeks.items(), key=lambda one: one[0]):
        cell = _cell({"token_id": token, "state": _judged(days)}, week, week + timedelta(days=7))
        before = joined[-1] if joined else {}
        if [before.get(name) for name in ("token_id", "state", "until")] == [token, cell["state"], cell["first"]]:
            before["until"] = cell["until"]
        else:
            joined.append(cell)
    return joined


def _judged(days: Counter[str]) -> str:
    if days["missing"] > sum(days.values()) / 2:
        return "missing"
    return PARTLY if days["missing"] else "held" if days["held"] else "confirmed empty"


def _days(run: Row) -> list[date]:
    first = date.fromisoformat(run["first"])
    return [first + timedelta(days=number) for number in range(run["days"])]


def _cell(run: Row, first: date, until: date) -> Row:
    return {
        "token_id": run["token_id"],
        "state": run["state"],
        "first": charts.utc(str(first)),
        "until": charts.utc(str(until)),
    }
