"""The report of a broken invariant."""

from __future__ import annotations


class Broken(AssertionError):
    """An invariant does not hold. `rule` is its number and name; `trace` the last things that happened."""

    def __init__(self, rule: str, detail: str, trace: list[str]) -> None:
        super().__init__(rule, detail, trace)
        self.rule = rule
        self.detail = detail
        self.trace = trace

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"
