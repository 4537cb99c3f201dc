"""The time that an answer tells."""

from __future__ import annotations

import pytest

from payer.http.exchange import answer_time

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
AT = 1_795_348_800.0

TIMES = {
    "a Date": ({"date": DATE}, AT),
    "kept by a cache": ({"date": DATE, "age": "90"}, AT + 90),
    "an Age that is no number": ({"date": DATE, "age": "-5"}, AT),
    "an absurd Age": ({"date": DATE, "age": "9" * 30}, AT),
    "another zone": ({"date": "Sun, 22 Nov 2026 13:00:00 +0100"}, AT),
    "none": ({}, None),
    "nonsense": ({"date": "yesterday"}, None),
    "empty": ({"date": ""}, None),
    "no such day": ({"date": "Sun, 99 Nov 2026 12:00:00 GMT"}, None),
    "a year beyond all years": ({"date": "Sun, 22 Nov 99999999 12:00:00 GMT"}, None),
}


@pytest.mark.parametrize(("headers", "time"), TIMES.values(), ids=TIMES)
def test_the_time_of_an_answer_is_its_date_and_its_age(headers: dict[str, str], time: float | None) -> None:
    assert answer_time(headers) == time
