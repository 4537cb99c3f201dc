"""Read the time at which an answer was made: its Date (RFC 9110 section 6.6.1), and its Age where a cache kept it."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_LONGEST_AGE = 10**8


def answer_time(headers: Mapping[str, str]) -> float | None:
    """The sender's clock in unix seconds when its answer arrived, None where it told no readable time."""
    try:
        made = parsedate_to_datetime(headers["date"].strip()).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    age = headers.get("age", "").strip()
    return made + (min(int(age), _LONGEST_AGE) if age.isascii() and age.isdigit() and len(age) < 10 else 0)
