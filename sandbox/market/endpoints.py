"""Every endpoint on sale: its shape, its row, its price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.market import listings, research, rows, whole
from sandbox.market.catalogue import Catalogue
from sandbox.market.listings import Dated, Listing, Now, Recent
from sandbox.market.noise import HOUR

# Tiers seen in a public client, undated: the cheapest for what is dated per token, the dearest for research.
_SERIES, _LISTS, _RESEARCH = 17_000, 34_000, 68_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`price` is in atoms of the six-decimals token; 0 is free. `needs` are required parameters; `least` maps a
    parameter to the column whose minimum it gives; `equal` to the column that it must equal."""

    name: str
    listing: Listing
    price: int
    needs: tuple[str, ...] = ()
    least: Mapping[str, str] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)


def endpoints(seed: int, catalogue: Catalogue) -> dict[str, Endpoint]:
    tokens = listings.tokens_of(catalogue)
    market, investors = listings.all_of(whole.market(seed)), listings.all_of(whole.investors(seed))
    indices = listings.indices_of(whole.indices(seed, catalogue.tokens))
    trader = {"traderGrade": "TM_TRADER_GRADE", "traderGradePercentChange": "TM_TRADER_GRADE_24H_PCT_CHANGE"}
    found = (
        Endpoint("tokens", Now(tokens, rows.tokens), 0),
        Endpoint("price", Now(tokens, rows.price), 0, needs=("token_id",)),
        Endpoint("top-market-cap-tokens", Now(tokens, rows.tokens), 0),
        Endpoint("tm-grade", Now(tokens, rows.tm_grade), _SERIES),
        Endpoint("tm-grade-history", Dated(tokens, rows.tm_grade_history), _SERIES),
        Endpoint("fundamental-grade", Now(tokens, rows.fundamental_grade), _SERIES),
        Endpoint("fundamental-grade-history", Dated(tokens, rows.fundamental_grade_history), _SERIES),
        Endpoint("technology-grade", Now(tokens, rows.technology_grade), _SERIES),
        Endpoint("technology-grade-history", Dated(tokens, rows.technology_grade), _SERIES),
        Endpoint("trader-grades", Dated(tokens, rows.trader_grades), _SERIES, least=trader),
        Endpoint(
            "investor-grades",
            Dated(tokens, rows.investor_grades),
            _SERIES,
            least={"investorGrade": "TM_INVESTOR_GRADE"},
        ),
        Endpoint("trading-signals", Dated(tokens, rows.trading_signals), _SERIES, equal={"signal": "TRADING_SIGNAL"}),
        Endpoint("hourly-trading-signals", Recent(tokens, rows.hourly_trading_signals), _LISTS, needs=("token_id",)),
        Endpoint("moonshot-tokens", listings.Picks(seed, catalogue.tokens), _LISTS),
        Endpoint("hourly-ohlcv", Dated(tokens, rows.hourly_ohlcv, HOUR), _SERIES),
        Endpoint("daily-ohlcv", Dated(tokens, rows.daily_ohlcv), _SERIES),
        Endpoint("market-metrics", Dated(market, whole.market_metrics), _LISTS),
        Endpoint("sentiments", Recent(market, whole.sentiments), _SERIES),
        Endpoint("quantmetrics", Now(tokens, research.quantmetrics), _RESEARCH),
        Endpoint("resistance-support", Now(tokens, research.resistance_support), _LISTS),
        Endpoint("correlation", Now(tokens, research.correlation), _RESEARCH),
        Endpoint("price-prediction", Now(tokens, research.price_prediction), _RESEARCH),
        Endpoint("scenario-analysis", Now(tokens, research.scenario_analysis), _RESEARCH),
        Endpoint("ai-reports", Now(tokens, research.ai_reports), _RESEARCH),
        Endpoint("crypto-investors", Now(investors, whole.crypto_investors), _RESEARCH),
        Endpoint("indices", Now(indices, whole.indices_now), _LISTS),
        Endpoint("indices-holdings", listings.Holdings(indices), _LISTS, needs=("id",)),
        Endpoint("indices-performance", Dated(indices, whole.indices_performance), _LISTS, needs=("id",)),
    )
    return {endpoint.name: endpoint for endpoint in found}
