"""Tavily: web search (x402 v2; inferred). A JSON body; hits come under `results`, or as a bare list."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Evidence, Kind, Packing, Seller

SEARCH = Dataset(
    name="tavily-search",
    seller="tavily",
    table="tavily_hits",
    kind=Kind.SNAPSHOT,
    method="POST",
    path="/search",
    body={"max_results": 10, "search_depth": "basic"},
    packing=Packing("query", ids=1),
    grain=DAY,
    natural_key=("query", "url", "as_of"),
    key_column="query",
    time_column="as_of",
    undated=True,
    rows_per_cell=None,
    rows_path=("results",),
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
        Column("content", Cast.TEXT, ("content",), "what of the page answers the query", unit="none"),
        Column("score", Cast.FLOAT, ("score",), "relevance of the page", unit="0 to 1", source=Evidence.INFERRED),
        EXTRAS,
    ),
    doc="Web pages found for a query, with their relevance, per day.",
)
SELLER = Seller("tavily", "https://api.tavily.com", {}, (SEARCH,))
