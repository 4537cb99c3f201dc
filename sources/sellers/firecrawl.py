"""Firecrawl: web search (x402 v1, USDC; documented). The query goes in a JSON body; hits come under `data`."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Kind, Packing, Seller

SEARCH = Dataset(
    name="firecrawl-search",
    seller="firecrawl",
    table="firecrawl_hits",
    kind=Kind.SNAPSHOT,
    method="POST",
    path="/v1/x402/search",
    body={"limit": 10},
    packing=Packing("query", ids=1),
    grain=DAY,
    natural_key=("query", "url", "as_of"),
    key_column="query",
    time_column="as_of",
    undated=True,
    rows_per_cell=None,
    success={"success": True},
    columns=(
        Column("query", Cast.TEXT, (), "the query of the request", from_request=True),
        Column("url", Cast.TEXT, ("url",)),
        Column("as_of", Cast.DATE, (), "UTC day of the search"),
        Column("title", Cast.TEXT, ("title",)),
        Column("description", Cast.TEXT, ("description",)),
        Column("markdown", Cast.TEXT, ("markdown",), expected=False),
        EXTRAS,
    ),
    doc="Web pages found for a query, per day.",
)
SELLER = Seller("firecrawl", "https://api.firecrawl.dev", {}, (SEARCH,))
