"""Rows that are not about one token: the whole market, its sentiment, investors, indices and their holdings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.market import tokens
from sandbox.market.token_rows import Row, named
from sandbox.market.tokens import DAY, HISTORY_START, HOUR, MarketToken, octaves, stream, unit

_CURVE = ((200 * DAY, 0.5), (40 * DAY, 0.2), (5 * DAY, 0.05), (6 * HOUR, 0.005))
_INVESTORS = 140


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of rows that is no token. `listed` is its first day."""

    key_id: int
    name: str
    state: int
    listed: int = HISTORY_START
    active: bool = True
    members: tuple[MarketToken, ...] = ()


def market(seed: int) -> list[Subject]:
    return [Subject(0, "market", stream(seed, "market"))]


def investors(seed: int) -> list[Subject]:
    return [
        Subject(
            number,
            f"{('Example', 'North', 'Delta', 'Harbor')[number % 4]} Capital {number}",
            stream(seed, "investor", number),
        )
        for number in range(1, _INVESTORS + 1)
    ]


def indices(seed: int, tokens_on_sale: Sequence[MarketToken]) -> list[Subject]:
    """Twelve indices, half of them active; later ones began later."""
    return [
        Subject(
            number,
            f"TM Index {number}",
            stream(seed, "index", number),
            HISTORY_START + 60 * number,
            number % 2 == 1,
            _members(tokens_on_sale[number - 1 :: number][: 8 + number]),
        )
        for number in range(1, 13)
    ]


def _members(candidates: Sequence[MarketToken]) -> tuple[MarketToken, ...]:
    return tuple(token for token in candidates if token.listed == HISTORY_START)


def market_metrics(subject: Subject, day: int, time: float) -> Row:
    high = 12.0 + octaves(subject.state + 1, time, ((30 * DAY, 8.0),))
    return {
        "DATE": tokens.day_stamp(day),
        "TOTAL_CRYPTO_MCAP": round(3.0e12 * (1.0 + octaves(subject.state, time, _CURVE))),
        "TM_GRADE_PERC_HIGH_COINS": round(high, 2),
        "TM_GRADE_SIGNAL": _sign(high),
        "LAST_TM_GRADE_SIGNAL": _sign(12.0 + octaves(subject.state + 1, time - 10 * DAY, ((30 * DAY, 8.0),))),
    }


def _sign(high: float) -> int:
    return 1 if high > 15.0 else -1 if high < 9.0 else 0


def sentiments(subject: Subject, hour: int, time: float) -> Row:
    row: Row = {"DATETIME": tokens.stamp(hour * HOUR)}
    for index, source in enumerate(("MARKET", "NEWS", "REDDIT", "TWITTER")):
        grade = round(52.0 + octaves(subject.state + 31 * index, time, ((3 * DAY, 20.0), (6 * HOUR, 6.0))))
        row[f"{source}_SENTIMENT_GRADE"] = grade
        row[f"{source}_SENTIMENT_LABEL"] = "positive" if grade > 57 else "negative" if grade < 45 else "neutral"
        if index:
            row[f"{source}_SUMMARY"] = f'Talk of the hour, with a "quote"\nand a second line ({grade}).'
    return row


def crypto_investors(subject: Subject, _slot: int, time: float) -> Row:
    slug = subject.name.lower().replace(" ", "-")
    return {
        "INVESTOR_NAME": subject.name,
        "INVESTOR_WEBSITE": f"https://{slug}.example",
        "INVESTOR_TWITTER": f"https://x.com/{slug}",
        "ROUND_COUNT": 1 + int(80 * unit(subject.state, 1)) + int(time // (30 * DAY)) % 3,
        "ROI_AVERAGE": round(8.0 * unit(subject.state, 2), 2),
        "ROI_MEDIAN": round(3.0 * unit(subject.state, 3), 2),
    }


def _level(index: Subject, time: float) -> float:
    start = octaves(index.state, index.listed * DAY, _CURVE)
    return float(100.0 * (1.6 + octaves(index.state, time, _CURVE)) / (1.6 + start))


def indices_now(index: Subject, _slot: int, time: float) -> Row:
    """Four of the column names begin with a digit (documented)."""
    level = _level(index, time)
    return {
        "ID": index.key_id,
        "NAME": index.name,
        "TICKER": f"TMX{index.key_id}",
        "PRICE": round(level, 2),
        "COINS": len(index.members),
        "24H": round(tokens.change(level, _level(index, time - DAY)), 2),
        "7D": round(tokens.change(level, _level(index, time - 7 * DAY)), 2),
        "1M": round(tokens.change(level, _level(index, time - 30 * DAY)), 2),
        "24H_VOLUME": round(1.0e6 * (1.0 + unit(index.state, int(time // DAY))), 2),
        "INDEX_GRADE": round(50.0 + octaves(index.state + 5, time, ((20 * DAY, 30.0),)), 1),
        "ALL_TIME": round(level - 100.0, 2),
        "MARKET_CAP": round(5.0e7 * level / 100.0, 2),
        "TOP_GAINERS_ICONS": {token.symbol: f"https://example.com/{token.slug}.png" for token in index.members[:2]},
    }


def indices_performance(index: Subject, day: int, time: float) -> Row:
    level = _level(index, time)
    return {
        "ID": index.key_id,
        "DATE": tokens.day_stamp(day),
        "INDEX_CUMULATIVE_ROI": round(level - 100.0, 4),
        "MARKET_CAP": round(5.0e7 * level / 100.0, 2),
        "VOLUME": round(1.0e6 * (1.0 + unit(index.state, day)), 2),
        "FDV": round(5.6e7 * level / 100.0, 2),
    }


class IndexMember:
    """A token in an index."""

    def __init__(self, index: Subject, token: MarketToken) -> None:
        self.index, self.token, self.key_id, self.listed = index, token, token.token_id, token.listed


def holding(member: IndexMember, _slot: int, time: float) -> Row:
    """The row lacks the index's id (documented). DATE is the last rebalance, a Monday."""
    index, token = member.index, member.token
    monday = (int(time // DAY) - 4) // 7 * 7 + 4
    total = sum(1.0 / member.rank for member in index.members)
    return {
        **named(token),
        "COIN": token.symbol,
        "CG_ID": token.slug,
        "WEIGHT": round(1.0 / token.rank / total, 4),
        "MARKET_CAP": int(tokens.market_cap(token, time)),
        "PRICE": round(tokens.price(token, time), 6),
        "CURRENT_ROI": round(tokens.change(tokens.price(token, time), tokens.price(token, monday * DAY)), 2),
        "TRADER_GRADE": round(tokens.grade(token, time, 2), 2),
        "TRADER_GRADE_CHANGE_24H": round(tokens.grade(token, time, 2) - tokens.grade(token, time - DAY, 2), 2),
        "ICON": f"https://example.com/{token.slug}.png",
        "DATE": tokens.day_stamp(monday),
    }
