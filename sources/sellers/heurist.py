"""Heurist Mesh: tools of crypto agents (USDC on Base). JSON bodies; rows come under `result` (documented)."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Kind, Packing, Seller

TOKEN_SEARCH = Dataset(
    name="heurist-token-search",
    seller="heurist",
    table="heurist_tokens",
    kind=Kind.SNAPSHOT,
    method="POST",
    path="/x402/agents/TokenResolverAgent/token_search",
    body={"limit": 10},
    packing=Packing("query", ids=1),
    grain=DAY,
    natural_key=("query", "chain", "address", "as_of"),
    key_column="query",
    time_column="as_of",
    undated=True,
    rows_per_cell=None,
    rows_path=("result",),
    columns=(
        Column("query", Cast.TEXT, (), "the name or symbol of the request", from_request=True),
        Column("chain", Cast.TEXT, ("chain",)),
        Column("address", Cast.TEXT, ("address",)),
        Column("as_of", Cast.DATE, (), "UTC day of the search"),
        Column("name", Cast.TEXT, ("name",)),
        Column("symbol", Cast.TEXT, ("symbol",)),
        Column("price_usd", Cast.FLOAT, ("price_usd",)),
        Column("liquidity_usd", Cast.FLOAT, ("liquidity_usd",), expected=False),
        EXTRAS,
    ),
    doc="Contracts with a name or symbol, per day. Field names are inferred: others are kept in `extras`.",
)
SELLER = Seller("heurist", "https://mesh.heurist.xyz", {}, (TOKEN_SEARCH,))
