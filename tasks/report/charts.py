"""Draw charts as SVG without scripts: money by day, and each token's signals over its price.

Colours are the page's CSS variables: one drawing serves the light and the dark theme. Floats are lengths on paper
here: every figure is in a table beside its chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tasks.report.figures import Row

if TYPE_CHECKING:
    import altair as alt


WIDE, BROAD, NARROW, PANEL = 680, 860, 320, 340
"""Widths in CSS pixels: of a chart beside a column, of one across the page, on a phone, and one of several panels."""
DAYS_AS_DAYS = 183
"""Spans up to this are labelled by day, longer ones by month."""
CONFIG: dict[str, Any] = {
    "background": None,
    "font": "inherit",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelPadding": 6,
    },
}
PADDING = {"left": 4, "right": 12, "top": 16, "bottom": 4}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as SVG markup; `narrow` is for a phone, None where one drawing serves both."""

    wide: str
    narrow: str | None = None


def to_svg(chart: Any) -> str:
    """Render an Altair chart as markup that scales with its box. Screen readers skip it: they read the table."""
    import vl_convert

    specification = {**chart.to_dict(validate=False), "config": CONFIG, "padding": PADDING}
    drawn: str = vl_convert.vegalite_to_svg(specification)
    return _OPENING.sub(_box, _LONG.sub(r"\1", _ARIA.sub("", drawn)), count=1)


_OPENING = re.compile(r"<svg [^>]*viewBox=\"(?P<box>[^\"]*)\"[^>]*>")
_LONG = re.compile(r"(\d\.\d\d)\d+")
"""Coordinates with more than two decimals: nobody sees the rest."""
_ARIA = re.compile(r' (?:aria-[a-z]+|role)="[^"]*"')


def _box(match: re.Match[str]) -> str:
    width = match["box"].split()[2]
    return f'<svg viewBox="{match["box"]}" style="max-width:{width}px" aria-hidden="true" focusable="false">'


def inline(values: Sequence[Row]) -> alt.InlineData:
    import altair as alt

    return alt.InlineData(values=list(values))


def time_scale(first: str, end: str) -> alt.Scale:
    """The span from the beginning of one day to that of another, in UTC."""
    import altair as alt

    return alt.Scale(domain=[utc(first), utc(end)], type="utc")


def time_axis(first: str, end: str, width: int) -> alt.Axis:
    """Ticks at whole days, at most one for each 75 pixels."""
    import altair as alt

    days = days_between(first, end)
    words = "%-d %b" if days <= DAYS_AS_DAYS else "%b %Y"
    count = min(days, max(2, width // 75))
    return alt.Axis(title=None, grid=False, tickCount=count, labelOverlap="greedy", format=words)


def days_between(first: str, end: str) -> int:
    return (date.fromisoformat(end[:10]) - date.fromisoformat(first[:10])).days


def plot_width(first: str, end: str, width: int, widest_day: int) -> int:
    """The width of a plot: as much as there is, but no day wider than that."""
    return min(width, max(90, days_between(first, end) * widest_day))


def utc(day: str) -> str:
    """A day's beginning as Vega reads it in every time zone."""
    return f"{day[:10]}T00:00:00Z"


def day_after(day: str, days: int = 1) -> str:
    return str(date.fromisoformat(day[:10]) + timedelta(days=days))


COLOURS = 8
"""Flows with a colour of their own; the least of more are drawn together."""
OTHER = "other flows"
FEWEST_DAYS = 14
"""Days of the chart of a home that has just begun: those before were not paid for anything."""
NEAR = 4
"""A cap is drawn where it is at most this many times the dearest day: farther away it would flatten the bars."""
POSITIONS = {1: "long", 0: "no position", -1: "short"}
_TINTS = ["var(--long)", "var(--out)", "var(--short)"]
_SHAPES = ["triangle-up", "circle", "triangle-down"]


def by_rank(rows: Iterable[Row]) -> dict[str, str]:
    """Give each flow of the spending its name on the chart, the dearest first: its own, or OTHER."""
    sums = _sums(rows, "flow")
    ranked = sorted(sums, key=lambda flow: (-sums[flow], flow))
    most = len(ranked) if len(ranked) <= COLOURS else COLOURS - 1
    return {flow: flow if place < most else OTHER for place, flow in enumerate(ranked)}


def spending(rows: Sequence[Row], cap: str | None, asset: str) -> Drawing:
    """Stack each day's spending by flow, with the cap of a day as a line where it is near."""
    shown = by_rank(rows)
    names = list(dict.fromkeys(shown.values()))
    end = day_after(max(row["day"] for row in rows))
    first = min(day_after(end, -FEWEST_DAYS), *(row["day"] for row in rows))
    bars = stacked(rows, shown)

    def drawn(width: int) -> Any:
        import altair as alt

        place = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": -36, "titleY": -10}
        amounts = alt.Axis(tickCount=4, domain=False, ticks=False, **place)  # type: ignore[arg-type]
        colours = alt.Scale(domain=names, range=[f"var(--c{number + 1})" for number in range(len(names))])
        layers = [
            alt.Chart(inline(bars))
            .mark_rect()
            .encode(
                x=alt.X("from:T", scale=time_scale(first, end), axis=time_axis(first, end, width)),
                x2="to:T",
                y=alt.Y("low:Q", title=asset, axis=amounts),
                y2="high:Q",
                color=alt.Color("flow:N", scale=colours, legend=None),
            )
        ]
        if cap_is_near(rows, cap):
            line = alt.Chart(inline([{"cap": float(cap or 0)}]))
            layers.append(line.mark_rule(color="var(--bad)", strokeDash=[5, 4], strokeWidth=1.5).encode(y="cap:Q"))
        return alt.layer(*layers).properties(width=plot_width(first, end, width - 60, 44), height=220)

    return Drawing(to_svg(drawn(WIDE)), to_svg(drawn(NARROW)))


def stacked(rows: Sequence[Row], shown: dict[str, str]) -> list[Row]:
    """Stack each day's amounts in the order of the legend; a bar leaves a little of its day free at both ends."""
    heights: dict[str, dict[str, float]] = {}
    for row in rows:
        day = heights.setdefault(row["day"], dict.fromkeys(shown.values(), 0.0))
        day[shown[row["flow"]]] += float(row["amount"])
    bars: list[Row] = []
    for day_name, amounts in heights.items():
        low, begin, end = 0.0, f"{day_name}T02:00:00Z", f"{day_name}T22:00:00Z"
        for name, amount in amounts.items():
            if amount:
                bars.append({"from": begin, "to": end, "flow": name, "low": low, "high": low + amount})
            low += amount
    return bars


def cap_is_near(rows: Iterable[Row], cap: str | None) -> bool:
    """True where the cap of a day is drawn."""
    return cap is not None and float(cap) <= NEAR * max(_sums(rows, "day").values(), default=0.0)


def _sums(rows: Iterable[Row], name: str) -> dict[str, float]:
    """Amounts added up by a column."""
    sums: dict[str, float] = {}
    for row in rows:
        sums[row[name]] = sums.get(row[name], 0.0) + float(row["amount"])
    return sums


def signals(positions: Sequence[Row], prices: Sequence[Row], flips: Sequence[Row]) -> Drawing:
    """Draw one token's price over its positions, with a mark at each flip; without a price, the positions alone."""
    import altair as alt

    names = list(POSITIONS.values())
    first, end = positions[0]["first"], positions[-1]["until"]
    tint = alt.Color("position:N", scale=alt.Scale(domain=names, range=_TINTS), legend=None)
    x = alt.X("first:T", scale=time_scale(first, end), axis=time_axis(first, end, PANEL))
    bands = [{"first": utc(row["first"]), "until": utc(row["until"]), **_position(row)} for row in positions]
    bars = alt.Chart(inline(bands)).mark_rect(opacity=0.22 if prices else 0.75).encode(x=x, x2="until:T", color=tint)
    layers: list[Any] = [bars]
    if prices:
        # Thousands are shortened (97k); below them the scale's own decimals are told.
        shortened = {"format": "~s"} if max(row["price"] for row in prices) >= 1_000 else {}
        axis = alt.Axis(tickCount=3, domain=False, ticks=False, **shortened)  # type: ignore[arg-type]
        y = alt.Y("price:Q", title=None, scale=alt.Scale(zero=False), axis=axis)
        line = alt.Chart(inline([{"day": utc(row["date"]), "price": row["price"]} for row in prices]))
        layers.append(
            line.mark_line(color="var(--ink)", strokeWidth=1.4, point=len(prices) == 1).encode(x="day:T", y=y)
        )
    marks = [
        {"day": utc(row["date"]), "price": row["price"], **_position(row)} for row in flips if row["price"] is not None
    ]
    if prices and marks:
        shape = alt.Shape("position:N", scale=alt.Scale(domain=names, range=_SHAPES), legend=None)
        points = alt.Chart(inline(marks)).mark_point(
            filled=True, size=110, opacity=1, stroke="var(--card)", strokeWidth=1
        )
        layers.append(points.encode(x="day:T", y="price:Q", shape=shape, color=tint))
    return Drawing(to_svg(alt.layer(*layers).properties(width=PANEL - 60, height=130 if prices else 34)))


def _position(row: Row) -> Row:
    return {"position": POSITIONS.get(row["signal"], "no position")}
