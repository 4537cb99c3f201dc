"""Meaning and unit of the columns of Token Metrics, by name: a name means the same in every dataset that has it.

The seller documents names and types; one row of trading-signals and the columns of daily-ohlcv were observed. What a
name alone tells is inferred; what nothing tells is unknown, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sources.model import Evidence

NONE = "none"
"""The unit of what has none: names, words, ids, links, JSON."""
USD, PERCENT, SCORE, COUNT, RATIO, TIME = "USD", "percent", "points, 0 to 100", "count", "ratio", "UTC time"
UNKNOWN = "unknown"

_D, _O, _I = Evidence.DOCUMENTED, Evidence.OBSERVED, Evidence.INFERRED


@dataclass(frozen=True, slots=True)
class Meaning:
    """Meaning and unit of a column, and the source of both. `time_basis` is empty where it is the row's own time."""

    doc: str
    unit: str
    source: Evidence = Evidence.DOCUMENTED
    time_basis: str = ""


_DAY_BEFORE = "24 hours up to the row's time"
_RETURNS = (
    "Unknown: whether ratio or percent, and since when. The one row observed (Bitcoin, 2025-04-10: holding 7559.6422, "
    "signals 45098.7035) fits percent since early 2017"
)

MEANINGS: Mapping[str, Meaning] = {
    "token_id": Meaning("the seller's id of the token: symbols are not unique", NONE, _O, NONE),
    "token_name": Meaning("name of the token", NONE, _O, NONE),
    "token_symbol": Meaning("symbol of the token; several tokens may share one", NONE, _O, NONE),
    "slug": Meaning("the token's name in the seller's links", NONE, _D, NONE),
    "tm_slug": Meaning(
        "the token's name in the seller's links: its tm_link, which differs from TM_LINK only in case", NONE, _O, NONE
    ),
    "tm_link": Meaning("the seller's page about the token", NONE, _O, NONE),
    "tm_grade": Meaning("Token Metrics grade", SCORE),
    "tm_grade_24h_pct_change": Meaning(
        "change of tm_grade in 24 hours, as the seller states it", PERCENT, _D, _DAY_BEFORE
    ),
    "tm_trader_grade_24h_change": Meaning(
        "change of the trader grade in 24 hours; unknown: in percent or in points", UNKNOWN, _D, _DAY_BEFORE
    ),
    "tm_trader_grade_24h_pct_change": Meaning("change of tm_trader_grade in 24 hours", PERCENT, _D, _DAY_BEFORE),
    "tm_investor_grade_7d_pct_change": Meaning(
        "change of tm_investor_grade in 7 days", PERCENT, _D, "7 days up to the row's time"
    ),
    "quant_grade": Meaning("quantitative grade", SCORE),
    "ta_grade": Meaning("technical analysis grade", SCORE),
    "tm_trader_grade": Meaning("trader grade: short term", SCORE, _O),
    "tm_investor_grade": Meaning("investor grade: long term", SCORE, _O),
    "valuation_grade": Meaning("valuation grade", SCORE),
    "technology_grade": Meaning("technology grade", SCORE),
    "fundamental_grade": Meaning("fundamental grade", SCORE),
    "fundamental_grade_class": Meaning(
        "class of the fundamental grade: storeOfValue, blueChip, emerging, speculative, highRisk", NONE
    ),
    "tm_grade_signal": Meaning("Strong Buy, Buy, Neutral, Sell, Strong Sell; other words are kept", NONE),
    "momentum": Meaning(
        "Surging, Gaining Momentum, Holding Steady, Losing Momentum, Momentum Crashing, No Momentum", NONE
    ),
    "community_score": Meaning("score of the token's community", SCORE),
    "exchange_score": Meaning("score of the exchanges that list the token", SCORE),
    "vc_score": Meaning("score of the token's venture investors; null for many", SCORE),
    "tokenomics_score": Meaning("score of the token's supply rules", SCORE),
    "defi_scanner_score": Meaning("score by DeFi Scanner; null for many", SCORE),
    "defi_usage_score": Meaning("score of use in DeFi; null for many", SCORE),
    "activity_score": Meaning("score of development activity", SCORE),
    "security_score": Meaning("score of security; null for many", SCORE),
    "repository_score": Meaning("score of the code repository", SCORE),
    "collaboration_score": Meaning("score of the developers' collaboration", SCORE),
    "trading_signal": Meaning("1 long, 0 no position, -1 short", NONE, _O),
    "token_trend": Meaning("1 up, -1 down (inferred from the signal's values)", NONE, _I),
    "trading_signals_returns": Meaning(
        f"return of following the signals. {_RETURNS}", UNKNOWN, _O, "from an unknown day to the row's"
    ),
    "holding_returns": Meaning(
        f"return of holding the token. {_RETURNS}", UNKNOWN, _O, "from an unknown day to the row's"
    ),
    "signal_word": Meaning("the signal in words", NONE),
    "trend_word": Meaning("the trend in words", NONE),
    "signal": Meaning("1 long, 0 no position, -1 short; text at the seller, the same idea as trading_signal", NONE),
    "position": Meaning("position that the signal asks for, such as LONG", NONE),
    "open": Meaning("first price", USD, _O),
    "high": Meaning("highest price", USD, _O),
    "low": Meaning("lowest price", USD, _O),
    "close": Meaning("last price", USD, _O),
    "volume": Meaning("traded volume", USD, _I),
    "moonshot_at": Meaning("when it was picked; with name and symbol the key, as there is no id", TIME, _D, NONE),
    "moonshot_end_at": Meaning("when the pick was closed; null while it is open", TIME, _D, NONE),
    "moonshot_roi": Meaning(
        "return of the pick; unknown: ratio or percent",
        UNKNOWN,
        _D,
        "from moonshot_at to moonshot_end_at, or to the observation",
    ),
    "last_trading_signal_time": Meaning("time of the token's last trading signal", TIME, _D, NONE),
    "price_change_pct_7d": Meaning("change of the price in 7 days", PERCENT, _D, "7 days up to the observation"),
    "price_change_pct_24h": Meaning("change of the price in 24 hours", PERCENT, _D, "24 hours up to the observation"),
    "market_cap": Meaning("market capitalisation", USD),
    "volume_24h": Meaning("volume traded in 24 hours", USD, _I, _DAY_BEFORE),
    "total_volume": Meaning("volume traded in 24 hours", USD, _I, "24 hours up to the observation"),
    "total_crypto_mcap": Meaning("market capitalisation of all tokens together", USD),
    "tm_grade_perc_high_coins": Meaning("share of tokens with a high grade", PERCENT, _I),
    "last_tm_grade_signal": Meaning("the market's signal before this one: 1 bullish, 0 neutral, -1 bearish", NONE, _I),
    "market_sentiment_grade": Meaning("sentiment of the whole market", SCORE),
    "market_sentiment_label": Meaning("the same in a word, such as neutral", NONE),
    "news_sentiment_grade": Meaning("sentiment of the news", SCORE),
    "news_sentiment_label": Meaning("the same in a word", NONE),
    "news_summary": Meaning("the news, summed up", NONE),
    "reddit_sentiment_grade": Meaning("sentiment on Reddit", SCORE),
    "reddit_sentiment_label": Meaning("the same in a word", NONE),
    "reddit_summary": Meaning("Reddit, summed up", NONE),
    "twitter_sentiment_grade": Meaning("sentiment on Twitter", SCORE),
    "twitter_sentiment_label": Meaning("the same in a word", NONE),
    "twitter_summary": Meaning("Twitter, summed up", NONE),
    "volatility": Meaning("volatility of returns; unknown: over which span, and whether yearly", RATIO, _I),
    "all_time_return": Meaning(
        "return since the token's first price", RATIO, _I, "from the token's first price to the row's day"
    ),
    "cagr": Meaning("compound annual growth rate", RATIO, _I, "from the token's first price to the row's day"),
    "sharpe": Meaning("Sharpe ratio", RATIO),
    "sortino": Meaning("Sortino ratio", RATIO),
    "max_drawdown": Meaning("largest fall from a peak, negative", RATIO, _I),
    "skew": Meaning("skewness of returns", NONE),
    "tail_ratio": Meaning("right tail of returns to the left", RATIO),
    "risk_reward_ratio": Meaning("risk to reward", RATIO),
    "profit_factor": Meaning("gains to losses", RATIO),
    "kurtosis": Meaning("kurtosis of returns", NONE),
    "daily_value_at_risk": Meaning("loss of a day that is rarely exceeded, negative; unknown: how rarely", RATIO, _I),
    "daily_return_avg": Meaning("mean return of a day", RATIO, _I),
    "daily_return_std": Meaning("standard deviation of a day's return", RATIO, _I),
    "historical_resistance_support_levels": Meaning(
        "levels of resistance and support as JSON; the view resistance_support_levels has a row for each",
        "USD inside the JSON",
    ),
    "top_correlation": Meaning(
        "tokens that move with and against it as JSON; the view correlation_pairs has a row for each",
        "-1 to 1 inside the JSON",
    ),
    "price_prediction": Meaning(
        "price scenarios as JSON; the view price_scenarios has a row for each", "USD inside the JSON"
    ),
    "scenario_analysis": Meaning(
        "older price scenarios as JSON, replaced by price_prediction; the view scenario_values has a row for each",
        "unknown inside the JSON",
    ),
    "investment_analysis_pointer": Meaning("investment analysis in a few lines", NONE),
    "investment_analysis": Meaning("investment analysis", NONE),
    "deep_dive": Meaning("long report", NONE),
    "code_review": Meaning("review of the code", NONE),
    "investor_name": Meaning("name of the fund or investor", NONE),
    "investor_website": Meaning("its website", NONE),
    "investor_twitter": Meaning("its Twitter account", NONE),
    "round_count": Meaning("funding rounds it took part in", COUNT),
    "roi_average": Meaning("mean return of its rounds; unknown: ratio or percent", UNKNOWN),
    "roi_median": Meaning("median return of its rounds; unknown: ratio or percent", UNKNOWN),
    "index_id": Meaning("the seller's id of the index", NONE, _D, NONE),
    "name": Meaning("name of the index", NONE, _D, NONE),
    "ticker": Meaning("ticker of the index", NONE, _D, NONE),
    "price": Meaning("price", USD),
    "coins": Meaning("number of tokens in it", COUNT),
    "change_24h": Meaning("change in 24 hours", PERCENT, _I, _DAY_BEFORE),
    "change_7d": Meaning("change in 7 days", PERCENT, _I, "7 days up to the row's time"),
    "change_1m": Meaning("change in a month", PERCENT, _I, "a month up to the row's time"),
    "index_grade": Meaning("grade of the index", SCORE),
    "all_time": Meaning("change since the index began", PERCENT, _I, "from the index's beginning to the row's time"),
    "top_gainers_icons": Meaning("icons of the tokens that gained most, as JSON", NONE),
    "coin": Meaning("symbol of the token in the index", NONE, _D, NONE),
    "cg_id": Meaning("CoinGecko's id of the token", NONE, _D, NONE),
    "weight": Meaning("share of the token in the index; 0.21 is 21 percent (inferred)", RATIO, _I),
    "current_roi": Meaning("return of the token in the index; unknown: ratio or percent, and since when", UNKNOWN),
    "trader_grade": Meaning("trader grade of the token", SCORE),
    "trader_grade_change_24h": Meaning(
        "change of the trader grade in 24 hours; unknown: in percent or in points", UNKNOWN, _D, _DAY_BEFORE
    ),
    "icon": Meaning("link to the token's icon", NONE),
    "index_cumulative_roi": Meaning(
        "return of the index since it began; unknown: ratio or percent",
        UNKNOWN,
        _D,
        "from the index's beginning to the row's day",
    ),
    "fdv": Meaning("fully diluted valuation", USD, _I),
    "exchange_list": Meaning("exchanges that list the token, as JSON", NONE),
    "category_list": Meaning("categories of the token, as JSON", NONE),
    "current_price": Meaning("price", USD),
    "circulating_supply": Meaning("tokens in circulation", "tokens", _I),
    "total_supply": Meaning("tokens that exist", "tokens", _I),
    "max_supply": Meaning("tokens that can ever exist; null without a limit", "tokens", _I),
    "fully_diluted_valuation": Meaning("price times max_supply", USD, _I),
    "high_24h": Meaning("highest price in 24 hours", USD, _I, "24 hours up to the observation"),
    "low_24h": Meaning("lowest price in 24 hours", USD, _I, "24 hours up to the observation"),
}
