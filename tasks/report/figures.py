"""Read everything that the HTML report shows from one publication.

Amounts are exact decimal text, as `costs` has them; days and times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.ops.costs import view, views
from warehouse.cache.sql import literal, quoted

Row = dict[str, Any]

SPENDING_DAYS = 92
"""Days of the chart of spending, up to the newest one with a purchase."""
COVERAGE_DAYS = 366
SIGNAL_DAYS = 366
TABLES = 3
"""Tables whose coverage is drawn, the largest first."""
PURCHASES = 25
FLIPS = 60

_DAY = "(coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE"
TOTALS = """
SELECT network, asset, sum(calls_paid)::BIGINT AS calls_paid, sum(amount) AS amount, sum(loss) AS loss,
       sum(in_doubt) AS in_doubt, sum(rows_new)::BIGINT AS rows_new, sum(calls_avoided)::BIGINT AS calls_avoided,
       sum(saved) AS saved
FROM cost_by_flow GROUP BY ALL ORDER BY ALL"""
SPENDING = f"""
SELECT {_DAY} AS day, flow, network, asset, sum(amount) AS amount
FROM costs WHERE amount_atomic > 0 AND {_DAY} > (SELECT max(day) FROM cost_by_day) - {SPENDING_DAYS}
GROUP BY ALL ORDER BY ALL"""
NEW_ROWS = """
SELECT dataset, network, asset, coalesce(amount, 0) AS amount, coalesce(rows_new, 0) AS rows_new, amount_per_new_row,
       coalesce(calls_avoided, 0) AS calls_avoided, coalesce(saved, 0) AS saved
FROM cost_per_new_row FULL JOIN
     (SELECT dataset, network, asset, count(*) AS calls_avoided, sum(price) AS saved FROM avoided GROUP BY ALL)
     USING (dataset, network, asset)
ORDER BY ALL"""
LOSSES = f"""
SELECT coalesce(block_time, created_at) AS happened_at, seller, dataset, loss, asset, network, purchase_id, tx_hash,
       CASE WHEN failure IS NULL THEN 'paid and never delivered' ELSE 'unusable: ' || failure END AS why
FROM costs WHERE loss > 0 ORDER BY happened_at DESC, purchase_id LIMIT {PURCHASES}"""
LOST = "SELECT network, asset, sum(loss) AS loss FROM costs WHERE loss > 0 GROUP BY ALL ORDER BY ALL"
LATEST = f"""
SELECT coalesce(block_time, created_at) AS happened_at, flow, dataset, amount, asset, network, money, data,
       undelivered, failure, rows_new, tx_hash, purchase_id
FROM costs ORDER BY happened_at DESC, purchase_id LIMIT {PURCHASES}"""
FRESHNESS = """
SELECT s.*, f.expected_at FROM quality_summary s LEFT JOIN quality_freshness f USING (dataset) ORDER BY dataset"""
GRADES = """
SELECT token_id, token_symbol, token_name, date, tm_grade, tm_grade_24h_pct_change AS change, tm_grade_signal AS signal,
       momentum
FROM grades WHERE date = (SELECT max(date) FROM grades WHERE tm_grade IS NOT NULL) AND tm_grade IS NOT NULL
ORDER BY tm_grade DESC, token_id"""
DAILY_TABLES = """
SELECT d.table_name, max(s.rows_new) AS rows, bool_or(d.kind = 'series') AS series
FROM quality_datasets d JOIN quality_summary s USING (dataset)
WHERE d.cadence = INTERVAL 1 DAY AND d.table_name IN (
    SELECT table_name FROM information_schema.columns WHERE table_catalog = 'warehouse'
    AND (column_name = 'token_id' OR column_name = 'date' AND data_type = 'DATE')
    GROUP BY table_name HAVING count(*) = 2)
GROUP BY d.table_name ORDER BY series DESC, rows DESC, d.table_name"""
"""Tables with a row per token and day that something was bought for."""


@dataclass(frozen=True, slots=True)
class TableCoverage:
    """One table's cells. `runs` are days in a row of one token and state, both ends inclusive; `states` counts days by
    token, with the first and last day held."""

    table: str
    first: str
    last: str
    runs: list[Row]
    states: list[Row]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything on the page that is published; each is rows of a query above."""

    published_at: str
    totals: list[Row]
    by_flow: list[Row]
    by_day: list[Row]
    months: list[Row]
    spending: list[Row]
    new_rows: list[Row]
    lost: list[Row]
    losses: list[Row]
    latest: list[Row]
    freshness: list[Row]
    coverage: list[TableCoverage]
    signals: list[Row]
    prices: list[Row]
    flips: list[Row]
    grades: list[Row]
    wallets: list[Row]

    @property
    def nothing_yet(self) -> bool:
        """True for a home that never bought or saved anything."""
        return not (self.totals or self.freshness)


def read_figures(home: Path, watched: Collection[int]) -> Figures:
    """Read them for the tokens of the watch lists; where there are none, for every token that has signals."""
    tables = [row["table_name"] for row in view(home, DAILY_TABLES)[:TABLES]]
    asked = {
        "publication": "SELECT published_at FROM publication",
        "totals": TOTALS,
        "by_flow": "SELECT * FROM cost_by_flow",
        "by_day": "SELECT * FROM cost_by_day",
        "months": "SELECT * FROM cost_by_month ORDER BY month DESC, network, asset",
        "spending": SPENDING,
        "new_rows": NEW_ROWS,
        "lost": LOST,
        "losses": LOSSES,
        "latest": LATEST,
        "freshness": FRESHNESS,
        "signals": _signals(watched),
        "prices": _prices(watched),
        "flips": _flips(watched),
        "grades": GRADES,
        "wallets": "SELECT wallet FROM costs GROUP BY wallet ORDER BY max(created_at) DESC",
    }
    cells = [select for table in tables for select in (_runs(table), _states(table))]
    answers = views(home, *asked.values(), *cells)
    found = dict(zip(asked, answers, strict=False))
    drawn = zip(tables, answers[len(asked) :: 2], answers[len(asked) + 1 :: 2], strict=True)
    [publication] = found.pop("publication")
    return Figures(
        published_at=publication["published_at"],
        coverage=[TableCoverage(table, *_span(runs), runs, states) for table, runs, states in drawn],
        **found,
    )


def _span(runs: list[Row]) -> tuple[str, str]:
    days = [run["first"] for run in runs] + [run["last"] for run in runs]
    return min(days, default=""), max(days, default="")


def _cells(table: str) -> str:
    """Days held, and gaps by their state, of a table's tokens; a day that is both held and a gap is held."""
    gaps, empty = (_gap_days(view_name, state, table) for view_name, state in _GAPS)
    return f"""
    newest AS (SELECT max(date) AS day FROM {quoted(table)}),
    named AS (SELECT token_id, max(token_symbol) AS symbol FROM {quoted(table)} GROUP BY token_id),
    cells AS (
        SELECT DISTINCT token_id, date AS day, 'held' AS state FROM {quoted(table)}
        UNION ALL {gaps} UNION ALL {empty}),
    one AS (
        SELECT token_id, cells.day, max(state) FILTER (state = 'held') AS held, max(state) AS other
        FROM cells, newest WHERE token_id IS NOT NULL AND cells.day > newest.day - {COVERAGE_DAYS} GROUP BY ALL),
    final AS (
        SELECT token_id, coalesce(symbol, token_id::VARCHAR) AS symbol, day, coalesce(held, other) AS state
        FROM one LEFT JOIN named USING (token_id))"""


_GAPS = (("quality_gaps", "state"), ("quality_confirmed_empty", "'confirmed empty'"))


def _gap_days(view_name: str, state: str, table: str) -> str:
    days = "unnest(generate_series(first_slot::DATE, last_slot::DATE, INTERVAL 1 DAY))::DATE"
    return f"""
        SELECT try_cast(key AS BIGINT), {days}, {state} FROM {view_name} WHERE table_name = {literal(table)}"""


def _runs(table: str) -> str:
    """Days in a row of one token and state."""
    return f"""
    WITH {_cells(table)}, marked AS (
        SELECT *, day - (row_number() OVER (PARTITION BY token_id, state ORDER BY day))::INTEGER AS island FROM final)
    SELECT token_id, any_value(symbol) AS symbol, state, min(day) AS first, max(day) AS last, count(*) AS days
    FROM marked GROUP BY token_id, state, island ORDER BY token_id, first"""


def _states(table: str) -> str:
    """Count a token's days by state."""
    return f"""
    WITH {_cells(table)}
    SELECT token_id, any_value(symbol) AS symbol, min(day) FILTER (state = 'held') AS first,
           max(day) FILTER (state = 'held') AS last, count(*) FILTER (state = 'held') AS held,
           count(*) FILTER (state NOT IN ('held', 'confirmed empty')) AS missing,
           count(*) FILTER (state = 'confirmed empty') AS empty
    FROM final GROUP BY token_id ORDER BY symbol, token_id"""


def _of_tokens(watched: Collection[int]) -> str:
    return f"token_id IN ({', '.join(map(str, watched))})" if watched else "true"


def _signals(watched: Collection[int]) -> str:
    """Positions in a row of equal signals, as `from` and `until` (exclusive) days."""
    return f"""
    WITH days AS ({_daily_signals(watched)}), changes AS (
        SELECT *, sum(CASE WHEN signal IS DISTINCT FROM before THEN 1 ELSE 0 END)
                  OVER (PARTITION BY token_id ORDER BY date) AS position
        FROM days)
    SELECT token_id, max(token_symbol) AS symbol, signal, min(date) AS first, max(date) + 1 AS until
    FROM changes GROUP BY token_id, position, signal ORDER BY token_id, first"""


def _daily_signals(watched: Collection[int]) -> str:
    return f"""
    SELECT token_id, token_symbol, date, trading_signal AS signal,
           lag(trading_signal) OVER (PARTITION BY token_id ORDER BY date) AS before,
           row_number() OVER (PARTITION BY token_id ORDER BY date) AS number
    FROM signals
    WHERE {_of_tokens(watched)} AND trading_signal IS NOT NULL
          AND date > (SELECT max(date) FROM signals) - {SIGNAL_DAYS}"""


def _daily_prices(watched: Collection[int]) -> str:
    """A price per token and day: the day's close, else the last hourly close or price of the day."""
    return f"""
    SELECT token_id, date, arg_min(price, rank) AS price FROM (
        SELECT token_id, date, close AS price, 1 AS rank FROM ohlcv_daily
        UNION ALL SELECT token_id, (timestamp AT TIME ZONE 'UTC')::DATE, arg_max(close, timestamp), 2
        FROM signals_hourly GROUP BY ALL
        UNION ALL SELECT token_id, (as_of AT TIME ZONE 'UTC')::DATE, arg_max(current_price, as_of), 3
        FROM prices GROUP BY ALL)
    WHERE price IS NOT NULL AND {_of_tokens(watched)} GROUP BY ALL"""


def _prices(watched: Collection[int]) -> str:
    return f"""
    WITH span AS (SELECT token_id, min(date) AS first, max(date) AS last FROM ({_daily_signals(watched)}) GROUP BY ALL)
    SELECT token_id, date, price FROM ({_daily_prices(watched)}) JOIN span USING (token_id)
    WHERE date BETWEEN first AND last ORDER BY ALL"""


def _flips(watched: Collection[int]) -> str:
    """Days on which a token's signal is another than on the day before that has one, with the price then."""
    return f"""
    SELECT token_id, token_symbol AS symbol, date, before, signal, price
    FROM ({_daily_signals(watched)}) LEFT JOIN ({_daily_prices(watched)}) USING (token_id, date)
    WHERE number > 1 AND signal IS DISTINCT FROM before ORDER BY date DESC, token_id"""
