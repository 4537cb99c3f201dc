"""The tokens on sale: a few real ids, well-known tickers under made-up ids, bridged copies, and invented ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from sandbox.market.noise import DAY, stream, unit

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
class Token:
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
        """A few real rows carry this broken link; so do a few here."""
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

    def _token(self, rank: int, token_id: int, name: str, symbol: str) -> Token:
        state = stream(self._seed, token_id)
        supply = 10 ** (6.5 + 3.5 * unit(state, 3))
        value = 2.1e12 / rank**1.6 * (0.8 + 0.4 * unit(state, 4))
        categories = sorted({int(unit(state, 20 + i) * len(_CATEGORIES)) for i in range(2)})
        exchanges = [entry for i, entry in enumerate(_EXCHANGES) if unit(state, 30 + i) < 0.6]
        return Token(
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
    def by_id(self) -> dict[int, Token]:
        return {token.token_id: token for token in self.tokens}


def day_of(seconds: float) -> int:
    return int(seconds // DAY)
