"""Render charts as SVG without scripts, in the page's CSS variables: one drawing serves the light and the dark theme.

Floats are lengths on paper here: every figure is in a table beside its chart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def next_day(day: str) -> str:
    return str(date.fromisoformat(day[:10]) + timedelta(days=1))


def days_before(day: str, count: int) -> str:
    return str(date.fromisoformat(day[:10]) - timedelta(days=count))
