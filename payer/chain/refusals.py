"""Read the errors of JSON-RPC servers: too many requests, too wide a block range, too many logs, state that is gone.

No standard names these. The wordings are those of public and paid servers (geth, erigon, Alchemy, Infura, QuickNode,
Ankr, dRPC, Base's own), recognised by their words first, since codes such as -32005 mean several things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BUSY = re.compile(
    r"rate.?limit|too many requests|request limit|requests? per (second|minute|day)|capacity exceeded|"
    r"compute units per second|throughput|count exceeded|try again later|over.?loaded",
    re.IGNORECASE,
)
_RESULTS = re.compile(
    r"returned more than|more than [\d,]+ (results|logs)|max(imum)? results|response size|too many (results|logs)|"
    r"cap of \d+k? logs|result(s| set)? (is |are )?too (large|big)|query timeout|timed out|timeout",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"block.?range|range (is )?too (large|wide|big)|too many blocks|blocks? (distance|count)|"
    r"(limited|restricted) to .{0,30}(block|range)|max(imum)?.{0,20}(block|range)|ranges? over|"
    r"(larger|wider|greater|more) than .{0,20}blocks?|from.?block.{0,40}to.?block|limit exceeded|range limit",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"missing trie node|state .{0,60}(not available|unavailable|pruned|missing|not found)|pruned|"
    r"historical state|archive|no state available|state already discarded|distance to target block exceeds|"
    r"older than .{0,30}blocks|block .{0,20}out of (range|bounds)",
    re.IGNORECASE,
)
_SUGGESTED = re.compile(
    r"(?:\[|retry with the range|block range)\s*(0x[0-9a-f]+|\d+)\s*[,-]\s*(0x[0-9a-f]+|\d+)", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:[,_ ']\d{3})+|\d+)\s*(k\b)?", re.IGNORECASE)
_BUSY_CODES = (429, -32029, -32016)
_RANGE_CODES = (-32614, -32701, 35)
_SPANS = (5_000, 2_000, 1_000, 800, 500, 250, 100, 50, 10, 5, 2, 1)
"""Block ranges that servers are known to allow, and what is tried below them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason of an error. `blocks` is the range that the text names, for a range or a number of logs."""

    busy: bool = False
    range: bool = False
    results: bool = False
    gone: bool = False
    numbers: tuple[int, ...] = ()
    suggested: int | None = None

    @property
    def lasting(self) -> bool:
        """True if the same call would be refused again."""
        return self.range or self.results or self.gone

    def narrower(self, asked: int) -> int:
        """A range of blocks to ask for, after `asked` blocks at once were refused; at least 1.

        What the text suggests or allows, if it makes sense; else the next that servers are known to allow.
        """
        if self.suggested is not None and 1 <= self.suggested < asked:
            return self.suggested
        below = [number for number in self.numbers if 1 <= number < asked]
        if self.range and not self.results and below:
            return max(below)
        return next((span for span in _SPANS if span < asked), 1)


def read_refusal(code: object, message: object) -> Refusal:
    """The reason of a JSON-RPC error; one that says nothing known is neither lasting nor busy."""
    text = message if isinstance(message, str) else ""
    text = text[:2_000]
    busy = code in _BUSY_CODES or bool(_BUSY.search(text))
    results = bool(_RESULTS.search(text))
    too_wide = code in _RANGE_CODES or bool(_RANGE.search(text))
    gone = not busy and not results and bool(_GONE.search(text))
    return Refusal(
        busy=busy and not results,
        range=too_wide and not busy and not gone,
        results=results,
        gone=gone,
        numbers=_numbers(_SUGGESTED.sub(" ", text)),
        suggested=_suggested(text),
    )


def _suggested(text: str) -> int | None:
    """The width of a range such as [0x0, 0x1f4] that the text says would work, both ends included."""
    found = _SUGGESTED.search(text)
    if found is None:
        return None
    first, last = (int(end, 16 if end.lower().startswith("0x") else 10) for end in found.groups())
    return last - first + 1


def _numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a text; "10,000" and "10k" are 10000."""
    found = []
    for digits, thousand in _NUMBER.findall(text):
        if len(digits) <= 12:
            found.append(int(re.sub(r"[,_ ']", "", digits)) * (1000 if thousand else 1))
    return tuple(found)
