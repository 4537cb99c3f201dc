"""Tavily: web search (x402 v2; inferred). A JSON body; hits come under `results`, or as a bare list."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Kind, Packing, Seller

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
        Column("query", Cast.TEXT, (), "the query of the request", from_request=True),
        Column("url", Cast.TEXT, ("url",)),
        Column("as_of", Cast.DATE, (), "UTC day of the search"),
        Column("title", Cast.TEXT, ("title",)),
        Column("content", Cast.TEXT, ("content",)),
        Column("score", Cast.FLOAT, ("score",)),
        EXTRAS,
    ),
    doc="Web pages found for a query, with their relevance, per day.",
)
SELLER = Seller("tavily", "https://api.tavily.com", {}, (SEARCH,))
