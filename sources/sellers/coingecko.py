"""CoinGecko: prices now (x402 v2, USDC; documented). The answer is an object from coin to figures."""

from __future__ import annotations

from sources.model import EXTRAS, HOUR, Cast, Column, Dataset, Evidence, Kind, Packing, Seller

PRICE = Dataset(
    name="coingecko-price",
    seller="coingecko",
    table="coingecko_prices",
    kind=Kind.SNAPSHOT,
    path="/x402/simple/price",
    params={"vs_currencies": "usd", "include_market_cap": "true", "include_last_updated_at": "true"},
    packing=Packing("ids", ids=100),
    grain=HOUR,
    natural_key=("coin", "as_of"),
    key_column="coin",
    time_column="as_of",
    undated=True,
    rows_path=(),
    keyed_rows="coin",
    columns=(
        Column("coin", Cast.TEXT, ("coin",), "CoinGecko's id", unit="none", time_basis="none"),
        Column(
            *("as_of", Cast.TIMESTAMP, (), "UTC hour in which the price was observed, its beginning"),
            unit="UTC time",
            time_basis="none",
            source=Evidence.DERIVED,
        ),
        Column("price_usd", Cast.FLOAT, ("usd",), "price", unit="USD", time_basis="updated_at"),
        Column(
            *("market_cap_usd", Cast.FLOAT, ("usd_market_cap",), "market capitalisation"),
            unit="USD",
            time_basis="updated_at",
        ),
        Column(
            *("updated_at", Cast.TIMESTAMP, ("last_updated_at",), "when CoinGecko last updated the price"),
            unit="UTC time",
            time_basis="none",
        ),
        EXTRAS,
    ),
    doc="Prices and market capitalisation of coins now.",
)
SELLER = Seller("coingecko", "https://pro-api.coingecko.com/api/v3", {}, (PRICE,))
