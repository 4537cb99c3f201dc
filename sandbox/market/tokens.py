"""The tokens on sale and their figures: seeded, and the same whenever they are computed.

Times are unix seconds, days are days since 1970. Ids are a few observed ones, then invented ones. Figures are smooth
noise from hashes of (seed, stream, time): a value at a time needs no earlier value, so any cell of any history costs
the same few microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 63)
HOUR, DAY = 3600, 86400

Shape = tuple[tuple[int, float], ...]
"""Octaves: (period in seconds, amplitude) each."""


def mix(value: int) -> int:
    """A 64-bit hash of an integer (the finaliser of splitmix64)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def stream(seed: int, *parts: int | str) -> int:
    """The state of an independent stream, such as a token's price."""
    state = seed & _MASK
    for part in parts:
        number = part if isinstance(part, int) else int.from_bytes(part.encode()[:16].ljust(16, b"\0"), "big")
        state = mix((state * _STEP + number + 0x632BE59BD9B4E019) & _MASK)
    return state


@lru_cache(maxsize=1 << 18)
def knot(state: int, index: int) -> float:
    """A number in [-1, 1) for one point of a stream."""
    return mix((state + index * _STEP) & _MASK) * _UNIT - 1.0


def unit(state: int, index: int = 0) -> float:
    """A number in [0, 1)."""
    return (knot(state, index) + 1.0) * 0.5


def octaves(state: int, time: float, shape: Shape) -> float:
    """Knots a period apart with a smooth curve between them, summed over the octaves."""
    total = 0.0
    for period, weight in shape:
        index = int(time // period)
        at = time / period - index
        first = knot(state + period, index)
        total += weight * (first + (knot(state + period, index + 1) - first) * at * at * (3.0 - 2.0 * at))
    return total


EPOCH_DAY = date(1970, 1, 1).toordinal()
HISTORY_START = date(2021, 1, 1).toordinal() - EPOCH_DAY

# Observed ids first, then tickers whose ids here are invented.
_OBSERVED = ((3375, "Bitcoin", "BTC"), (3306, "Ethereum", "ETH"), (3988, "Solana", "SOL"), (3369, "XRP", "XRP"))
_OBSERVED_LATER = ((3377, "Litecoin", "LTC"),)
_TICKERS = {
    "BNB": "BNB", "DOGE": "Dogecoin", "ADA": "Cardano", "TRX": "TRON", "AVAX": "Avalanche", "LINK": "Chainlink",
    "DOT": "Polkadot", "BCH": "Bitcoin Cash", "UNI": "Uniswap", "NEAR": "NEAR Protocol", "ATOM": "Cosmos",
    "XLM": "Stellar", "HBAR": "Hedera", "ICP": "Internet Computer", "FIL": "Filecoin", "APT": "Aptos",
    "ARB": "Arbitrum", "OP": "Optimism", "SUI": "Sui", "INJ": "Injective", "VET": "VeChain", "MKR": "Maker",
    "AAVE": "Aave", "GRT": "The Graph", "ALGO": "Algorand", "QNT": "Quant", "FTM": "Fantom", "SAND": "The Sandbox",
    "MANA": "Decentraland", "AXS": "Axie Infinity", "THETA": "Theta", "EOS": "EOS", "XTZ": "Tezos", "FLOW": "Flow",
    "CHZ": "Chiliz", "CRV": "Curve", "LDO": "Lido DAO", "RUNE": "THORChain", "SNX": "Synthetix", "KAS": "Kaspa",
    "STX": "Stacks", "IMX": "Immutable", "EGLD": "MultiversX", "ZEC": "Zcash", "DASH": "Dash", "COMP": "Compound",
    "ENJ": "Enjin Coin", "BAT": "Basic Attention Token", "ONE": "Harmony", "ZIL": "Zilliqa",
}  # fmt: skip
_BRIDGED = (("Bitcoin (bridged)", "BTC"), ("Wrapped Bitcoin BEP20", "BTC"), ("Ethereum (bridged)", "ETH"))
_CATEGORIES = ("layer-1", "defi", "gaming", "ai", "meme", "infrastructure", "layer-2", "storage")
_EXCHANGES = (("binance", "Binance"), ("gdax", "Coinbase"), ("kraken", "Kraken"), ("gate", "Gate"), ("mexc", "MEXC"))
_FIRST = ("Nova", "Alt", "Hyper", "Meta", "Zen", "Terra", "Pixel", "Quark", "Omni", "Luna", "Echo", "Vela", "Ori")
_SECOND = ("chain", "swap", "verse", "coin", "pad", "net", "fi", "dex", "vault", "mint", "link", "node", "bit", "pay")


@dataclass(frozen=True, slots=True)
class MarketToken:
    """One token. `listed` is the first day with rows (days since 1970); `rank` its place by market value."""

    token_id: int
    name: str
    symbol: str
    slug: str
    rank: int
    listed: int
    base_price: float
    supply: float
    max_supply: float | None
    categories: tuple[tuple[int, str], ...]
    exchanges: tuple[tuple[str, str], ...]
    state: int

    @property
    def key_id(self) -> int:
        return self.token_id

    @property
    def link(self) -> str:
        """A few real rows carry a broken link (observed); so do a few here."""
        return (
            f"https://app.tokenmetrics.com/en/{self.slug}"
            if self.rank % 17
            else "https://app.tokenmetrics.com/undefined"
        )


class Catalogue:
    """`count` tokens, at least 64, ordered by rank. The same seed gives the same catalogue, longer or shorter.

    Most are listed since 2021; every ninth appears within the two years before `today`, two within its last month.
    """

    def __init__(self, seed: int, count: int, today: int) -> None:
        self._seed, self._today = seed, today
        names = list(self._names(max(count, 64)))
        self.tokens = tuple(self._token(rank, *entry) for rank, entry in enumerate(names, start=1))

    def _names(self, count: int) -> Iterable[tuple[int, str, str]]:
        yield from _OBSERVED
        for index, (symbol, name) in enumerate(_TICKERS.items()):
            yield 4100 + 7 * index, name, symbol
            if index == 9:
                yield from _OBSERVED_LATER
        for index, (name, symbol) in enumerate(_BRIDGED):
            yield 900_001 + index, name, symbol
        for index in range(count - 4 - len(_TICKERS) - 1 - len(_BRIDGED)):
            first, second = _FIRST[index % len(_FIRST)], _SECOND[index // len(_FIRST) % len(_SECOND)]
            again = index // (len(_FIRST) * len(_SECOND))
            name = f"{first}{second}" + (f" {again + 1}" if again else "")
            yield 100_000 + index, name, (first[:2] + second[:2]).upper() + (str(again) if again else "")

    def _token(self, rank: int, token_id: int, name: str, symbol: str) -> MarketToken:
        state = stream(self._seed, token_id)
        supply = 10 ** (6.5 + 3.5 * unit(state, 3))
        value = 2.1e12 / rank**1.6 * (0.8 + 0.4 * unit(state, 4))
        categories = sorted({int(unit(state, 20 + i) * len(_CATEGORIES)) for i in range(2)})
        exchanges = [entry for i, entry in enumerate(_EXCHANGES) if unit(state, 30 + i) < 0.6]
        return MarketToken(
            token_id=token_id,
            name=name,
            symbol=symbol,
            slug=name.lower().replace(" ", "-").replace("(", "").replace(")", ""),
            rank=rank,
            listed=self._listed(rank, state),
            base_price=value / supply,
            supply=round(supply),
            max_supply=round(supply * 1.3) if unit(state, 5) < 0.6 else None,
            categories=tuple((index + 1, _CATEGORIES[index]) for index in categories),
            exchanges=tuple(exchanges),
            state=state,
        )

    def _listed(self, rank: int, state: int) -> int:
        if rank in (31, 47):
            return self._today - 6 - int(20 * unit(state, 7))
        if rank % 9 == 0:
            return self._today - 30 - int(700 * unit(state, 7))
        return HISTORY_START

    @cached_property
    def by_id(self) -> dict[int, MarketToken]:
        return {token.token_id: token for token in self.tokens}


def day_of(seconds: float) -> int:
    return int(seconds // DAY)


_SLOW_PRICE = ((120 * DAY, 0.7), (30 * DAY, 0.25))
_FAST_PRICE = ((6 * DAY, 0.10), (DAY, 0.03), (2 * HOUR, 0.008))
_GRADE = ((30 * DAY, 32.0), (4 * DAY, 12.0))
_SUBSTANCE = ((200 * DAY, 18.0), (30 * DAY, 6.0))
MOVES_EVERY = 600
"""The newest day's figures move once in so many seconds."""


def floored(now: float) -> float:
    return now // MOVES_EVERY * MOVES_EVERY


def moment(slot: int, grain: int, now: float) -> float:
    """The time of a slot's figures: its end or, while it lasts, shortly before now."""
    return min((slot + 1) * grain, floored(now))


@lru_cache(maxsize=1 << 17)
def _curves(state: int, time: float) -> tuple[float, float]:
    """The slow and the fast part of the logarithm of a price."""
    return octaves(state, time, _SLOW_PRICE), octaves(state, time, _FAST_PRICE)


def price(token: MarketToken, time: float) -> float:
    slow, fast = _curves(token.state, time)
    return token.base_price * math.exp(slow + fast)


def trend(token: MarketToken, time: float) -> int:
    """1 while the price is above its slow curve, else -1."""
    return 1 if _curves(token.state, time)[1] >= 0.0 else -1


def market_cap(token: MarketToken, time: float) -> float:
    return price(token, time) * token.supply


def volume(token: MarketToken, time: float) -> float:
    return market_cap(token, time) * (0.02 + 0.05 * unit(token.state + 11, int(time // DAY)))


@lru_cache(maxsize=1 << 17)
def _grade(state: int, time: float) -> float:
    return min(99.9, max(0.1, 50.0 + octaves(state, time, _GRADE)))


def grade(token: MarketToken, time: float, which: int) -> float:
    """A fast-moving grade from 0 to 100 (which: 1 tm, 2 trader, 3 investor, 4 quant, 5 technical)."""
    return _grade(token.state + 101 * which, time)


@lru_cache(maxsize=1 << 17)
def _substance(state: int, day: int, which: int) -> float:
    middle = 35.0 + 55.0 * unit(state, 60 + which)
    return min(100.0, max(0.0, middle + octaves(state + 307 * which, day * DAY, _SUBSTANCE)))


def substance(token: MarketToken, time: float, which: int) -> float:
    """A slow grade (fundamental, technology and their parts) that changes once a day."""
    return _substance(token.state, int(time // DAY), which)


def score(token: MarketToken, time: float, which: int) -> float | None:
    """A part of a grade; None for some tokens."""
    return None if unit(token.state, 90 + which) < 0.25 else round(substance(token, time, which), 1)


def change(now: float, before: float) -> float:
    return (now / before - 1.0) * 100.0 if before else 0.0


def signal(token: MarketToken, time: float) -> int:
    """1, 0 or -1: the trend, or 0 where the trader grade is near 50."""
    return 0 if 45.0 < grade(token, time, 2) < 55.0 else trend(token, time)


def holding_return(token: MarketToken, time: float) -> float:
    return change(price(token, time), price(token, token.listed * DAY))


def signal_return(token: MarketToken, time: float) -> float:
    years = (time - token.listed * DAY) / (365 * DAY)
    return holding_return(token, time) + 40.0 * years * (1.0 + octaves(token.state + 13, time, ((60 * DAY, 0.5),)))


@lru_cache(maxsize=1 << 12)
def plain_date(day: int) -> str:
    return date.fromordinal(day + EPOCH_DAY).isoformat()


def stamp(seconds: float) -> str:
    """An ISO time as the seller writes it."""
    day, rest = divmod(int(seconds), DAY)
    hour, rest = divmod(rest, HOUR)
    minute, second = divmod(rest, 60)
    return f"{plain_date(day)}T{hour:02}:{minute:02}:{second:02}.000Z"


def day_stamp(day: int) -> str:
    return f"{plain_date(day)}T00:00:00.000Z"
