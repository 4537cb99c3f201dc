"""Glassnode: market metrics as series (x402 v2, USDC; documented). The answer is a bare list of t and v (inferred)."""

from __future__ import annotations

from datetime import date

from sources.model import DAY, EXTRAS, HOUR, Cast, Column, Dataset, Dates, Kind, Packing, Seller, Since, Window

PRICE_CLOSE = Dataset(
    name="glassnode-price-close",
    seller="glassnode",
    table="glassnode_price_close",
    kind=Kind.SERIES,
    path="/v1/metrics/market/price_usd_close",
    params={"i": "24h"},
    packing=Packing("a", ids=1),
    window=Window("s", "u", days=365, dates=Dates.UNIX),
    grain=DAY,
    settle=6 * HOUR,
    patience=2 * DAY,
    lookback=28,
    since=Since(date(2010, 7, 17)),  # no earlier price of bitcoin is known
    natural_key=("asset", "date"),
    key_column="asset",
    time_column="date",
    rows_path=(),
    columns=(
        Column(
            *("asset", Cast.TEXT, (), "the asset of the request: rows don't repeat it"),
            from_request=True,
            unit="none",
            time_basis="none",
        ),
        Column("date", Cast.DATE, ("t",), "UTC day of the row", unit="UTC day", time_basis="none"),
        Column(
            "price_usd", Cast.FLOAT, ("v",), "closing price", unit="USD", time_basis="the end of the UTC day `date`"
        ),
        EXTRAS,
    ),
    doc="Closing price of an asset per day.",
)
SELLER = Seller("glassnode", "https://api.glassnode.com", {}, (PRICE_CLOSE,))
