"""JSON as sellers write it: the quick reading keeps what the careful one keeps."""

from __future__ import annotations

import json

import pytest

from sources.parse import json_text
from sources.parse.json_text import read_json

NAMES = ["a", "b", 'quote"', "colon:", '":', "slash\\", "slash\\ ", " ", "\\\\", '\\"', "tab\t"]
TEXTS = ["", ":", " : ", '"', '":', '" :', "\\", '\\"', "a: b", '{"a": 1}']
SPACES = [("", ""), ("", " "), (" ", ""), ("\n", "\t"), ("\r", "\r")]


def written(pairs: list[tuple[str, str]], before: str, after: str) -> bytes:
    """An object as text, with whitespace before and after its colons."""
    inner = ", ".join(f"{json.dumps(name)}{before}:{after}{json.dumps(text)}" for name, text in pairs)
    return f"[{{{inner}}}]".encode()


@pytest.mark.parametrize(("before", "after"), SPACES)
@pytest.mark.parametrize("text", TEXTS)
def test_a_name_that_is_there_twice_is_seen_whatever_stands_around_it(text: str, before: str, after: str) -> None:
    for name in NAMES:
        for other in NAMES:
            document = read_json(written([(name, text), (other, "1"), (name, "2")], before, after))
            assert document.ambiguous, (name, other)


@pytest.mark.parametrize(("before", "after"), SPACES)
@pytest.mark.parametrize("text", TEXTS)
def test_names_that_differ_are_read_as_they_are(text: str, before: str, after: str) -> None:
    for name in NAMES:
        for other in NAMES:
            if name != other:
                document = read_json(written([(name, text), (other, "1")], before, after))
                assert (document.value, document.ambiguous) == ([{name: text, other: "1"}], False)


def test_plain_rows_are_not_read_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The careful reading takes ten times as long."""

    def again(text: bytes) -> json_text.Document:
        raise AssertionError(text)

    monkeypatch.setattr(json_text, "_leniently", again)
    rows = [{"TOKEN_ID": 1, "NAME": 'the "first": one', "DATE": "2026-11-29T06:15:00Z", "GRADE": 61.5}] * 3
    for separators in ((",", ":"), (", ", ": "), (" , ", " : ")):
        assert read_json(json.dumps({"data": rows}, separators=separators).encode()).value == {"data": rows}
