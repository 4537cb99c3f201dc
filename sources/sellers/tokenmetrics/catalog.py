"""The free datasets: the catalog of tokens, prices, and the largest tokens."""

from __future__ import annotations

from sources.model import DAY, HOUR, Cast, Column, Evidence, Kind, Paging
from sources.sellers.tokenmetrics.base import AS_OF, BY_TOKEN, TOKEN, UNDATED, column, declare, floats, spelled

_MARKET = (
    *floats("current_price", "market_cap", "total_volume", expected=False),
    *floats("circulating_supply", "total_supply", "max_supply", "fully_diluted_valuation", expected=False),
    *floats("high_24h", "low_24h", expected=False),
    column(
        "price_change_pct_24h",
        Cast.FLOAT,
        ("PRICE_CHANGE_PERCENTAGE_24H_IN_CURRENCY", "price_change_percentage_24h_in_currency"),
        expected=False,
    ),
)
_LISTS = (
    spelled("exchange_list", Cast.JSON, expected=False),
    spelled("category_list", Cast.JSON, expected=False),
    column("tm_link", Cast.TEXT, ("TM_LINK", "app_link"), expected=False),
    column("tm_slug", Cast.TEXT, ("tm_link", "slug"), expected=False),
)

TOKENS_LIST = declare(
    "tokens",
    "tokens",
    Kind.REFERENCE,
    *TOKEN,
    AS_OF,
    *_LISTS,
    *_MARKET,
    natural_key=("token_id",),
    **UNDATED,
    grain=DAY,
    rows_per_cell=None,
    free=True,
    doc="Every token of the seller: ids for names and symbols.",
)
PRICE = declare(
    "price",
    "prices",
    Kind.SNAPSHOT,
    *TOKEN,
    Column(
        *("as_of", Cast.TIMESTAMP, (), "UTC hour in which the price was observed, its beginning"),
        unit="UTC time",
        time_basis="none",
        source=Evidence.DERIVED,
    ),
    *floats("current_price"),
    natural_key=("token_id", "as_of"),
    **UNDATED,
    **BY_TOKEN,
    grain=HOUR,
    free=True,
    doc="Prices now, one row per token and observed hour.",
)
TOP_MARKET_CAP = declare(
    "top-market-cap-tokens",
    "top_market_cap",
    Kind.SNAPSHOT,
    *TOKEN,
    AS_OF,
    *_LISTS,
    natural_key=("token_id", "as_of"),
    **UNDATED,
    grain=DAY,
    lookback=28,
    rows_per_cell=None,
    params={"top_k": "100"},
    paging=Paging(rows=100, depth=1),
    free=True,
    doc="The hundred largest tokens by market capitalisation, per day.",
)

DATASETS = (TOKENS_LIST, PRICE, TOP_MARKET_CAP)
