"""Firecrawl: web search (x402 v1, USDC; documented). The query goes in a JSON body; hits come under `data`."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Evidence, Kind, Packing, Seller

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
        Column("query", Cast.TEXT, (), "the query of the request", from_request=True, unit="none", time_basis="none"),
        Column("url", Cast.TEXT, ("url",), "the page's address", unit="none", time_basis="none"),
        Column(
            *("as_of", Cast.DATE, (), "UTC day of the search"),
            unit="UTC day",
            time_basis="none",
            source=Evidence.DERIVED,
        ),
        Column("title", Cast.TEXT, ("title",), "the page's title", unit="none"),
        Column("description", Cast.TEXT, ("description",), "what the page is about", unit="none"),
        Column("markdown", Cast.TEXT, ("markdown",), "the page's text", expected=False, unit="none"),
        EXTRAS,
    ),
    doc="Web pages found for a query, per day.",
)
SELLER = Seller("firecrawl", "https://api.firecrawl.dev", {}, (SEARCH,))
