"""Heurist Mesh: tools of crypto agents (USDC on Base). JSON bodies; rows come under `result` (documented)."""

from __future__ import annotations

from sources.model import DAY, EXTRAS, Cast, Column, Dataset, Evidence, Kind, Packing, Seller


def _inferred(name: str, cast: Cast, doc: str, unit: str, *, expected: bool = True) -> Column:
    return Column(name, cast, (name,), doc, expected=expected, unit=unit, source=Evidence.INFERRED)


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
        Column(
            *("query", Cast.TEXT, (), "the name or symbol of the request"),
            from_request=True,
            unit="none",
            time_basis="none",
        ),
        _inferred("chain", Cast.TEXT, "the chain of the contract", "none"),
        _inferred("address", Cast.TEXT, "the contract's address", "none"),
        Column(
            *("as_of", Cast.DATE, (), "UTC day of the search"),
            unit="UTC day",
            time_basis="none",
            source=Evidence.DERIVED,
        ),
        _inferred("name", Cast.TEXT, "name of the token", "none"),
        _inferred("symbol", Cast.TEXT, "symbol of the token", "none"),
        _inferred("price_usd", Cast.FLOAT, "price", "USD"),
        _inferred("liquidity_usd", Cast.FLOAT, "liquidity of the token's pools", "USD", expected=False),
        EXTRAS,
    ),
    doc="Contracts with a name or symbol, per day. Field names are inferred: others are kept in `extras`.",
)
SELLER = Seller("heurist", "https://mesh.heurist.xyz", {}, (TOKEN_SEARCH,))
