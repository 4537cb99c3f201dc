"""Money per row: each purchase's amount over the rows that it delivered, to the atomic unit.

A row's share is the amount divided by the rows delivered; the units that are left over go to the first rows, one each,
in the order of token and key. Rows that only confirmed what was held, rows that could not be read, and purchases that
brought no row are lines of their own, so that every view adds up to what the ledger committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sources.model import Cast
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.publish.views import row_versions

_TOKEN = ("token_id", "token_symbol")
"""Columns that tell tokens apart; the first that a table has counts."""


def statements(only_here: str = "true") -> list[str]:
    """The statements that create `costs`, `cost_per_*`, `cost_by_token` and the macro `provenance`.

    `only_here` is the condition under which the macro reads the tables of its own file.
    """
    return [_COSTS, _COST_PER_NEW_ROW, _COST_PER_ROW, _cost_by_token(), _provenance(only_here)]


_MONEY = "CASE WHEN c.money = 'void' AND c.data = 'delivered' THEN 'free' ELSE c.money END"

_COSTS = f"""
CREATE OR REPLACE VIEW costs AS
SELECT c.* EXCLUDE (seq) REPLACE ({_MONEY} AS money),
       coalesce(l.rows_in, 0) AS rows_delivered,
       coalesce(l.rows_new, 0) AS rows_new,
       coalesce(l.rows_changed, 0) AS rows_changed,
       greatest(0, coalesce(l.rows_in - l.rows_new - l.rows_quarantined, 0)) AS rows_checked,
       coalesce(l.rows_quarantined, 0) AS rows_quarantined
FROM ledger_costs c LEFT JOIN loads l USING (purchase_id)"""


def _in_asset(atomic: str, decimals: str = "decimals") -> str:
    """An amount in the asset from atomic units, exact: DuckDB's division would make a float of it."""
    whole, unit = f"({atomic})::HUGEINT", f"(10 ** {decimals})::HUGEINT"
    fraction = f"({whole} % {unit} * (10 ** (18 - {decimals}))::HUGEINT)::DECIMAL(18, 0)"
    return f"(({whole} // {unit})::DECIMAL(38, 18) + {fraction} * 0.000000000000000001::DECIMAL(18, 18))"


def _each(atomic: str, rows: str, decimals: str) -> str:
    """An amount by rows, in the asset, with 18 decimals."""
    scaled = f"(({atomic})::HUGEINT * (10 ** (18 - {decimals}))::HUGEINT // ({rows})::HUGEINT)"
    return f"CASE WHEN {rows} > 0 THEN {_in_asset(scaled, '18')} END"


def _share(first: str, last: str) -> str:
    """Atomic units of a purchase's rows number `first` + 1 to `last`."""
    return f"(unit * ({last} - {first}) + least(left_over, {last}) - least(left_over, {first}))"


_PRICED = """
SELECT purchase_id, dataset, network, asset, decimals, amount_atomic::HUGEINT AS whole, rows_new, rows_changed,
       greatest(0, rows_checked - rows_changed) AS rows_same, rows_quarantined,
       rows_new + rows_changed + rows_same + rows_quarantined AS rows,
       CASE WHEN rows > 0 THEN whole // rows END AS unit, CASE WHEN rows > 0 THEN whole % rows END AS left_over
FROM costs WHERE amount_atomic > 0 OR data = 'delivered'"""
"""Each purchase with its rows by what they brought, the atomic units of one, and those that are left over."""

_PARTS = (
    ("new rows", "0", "rows_new"),
    ("changed rows", "rows_new", "rows_new + rows_changed"),
    ("checked rows", "rows_new + rows_changed", "rows - rows_quarantined"),
    ("unreadable rows", "rows - rows_quarantined", "rows"),
)
"""The money of a row, and its place among a purchase's rows. Checked rows said what was known."""


def _lines(names: tuple[str, ...]) -> str:
    """Rows and atomic units of each purchase by what they brought, and the purchases that brought no row."""
    parts = [
        f"SELECT dataset, network, asset, decimals, '{name}' AS brought, {last} - ({first}) AS rows, "
        f"{_share(f'({first})', f'({last})')} AS atomic FROM priced WHERE rows > 0 AND {last} > {first}"
        for name, first, last in _PARTS
        if name in names
    ]
    nothing = "SELECT dataset, network, asset, decimals, 'no row', 0, whole FROM priced WHERE rows = 0 AND whole > 0"
    return "\nUNION ALL ".join([*parts, nothing])


_COST_PER_ROW = f"""
CREATE OR REPLACE VIEW cost_per_row AS
WITH priced AS ({_PRICED}), lines AS ({_lines(tuple(name for name, _, _ in _PARTS))})
SELECT dataset, network, asset, brought, count(*) AS purchases, sum(rows)::BIGINT AS rows,
       sum(atomic)::DECIMAL(38, 0) AS amount_atomic, {_in_asset("sum(atomic)", "any_value(decimals)")} AS amount,
       {_each("sum(atomic)", "sum(rows)", "any_value(decimals)")} AS amount_per_row
FROM lines GROUP BY dataset, network, asset, brought ORDER BY ALL"""

_COST_PER_NEW_ROW = f"""
CREATE OR REPLACE VIEW cost_per_new_row AS
SELECT dataset, network, asset, sum(amount) AS amount, sum(rows_new)::BIGINT AS rows_new,
       {_each("sum(amount_atomic)", "sum(rows_new)", "any_value(decimals)")} AS amount_per_new_row
FROM costs GROUP BY dataset, network, asset ORDER BY ALL"""


def _cost_by_token() -> str:
    stored = "\n    UNION ALL ".join(_stored(table) for table in declared_tables().values())
    upto = "sum(rows) OVER (PARTITION BY purchase_id ORDER BY token_id, symbol ROWS UNBOUNDED PRECEDING)"
    return f"""
CREATE OR REPLACE VIEW cost_by_token AS
WITH priced AS ({_PRICED}),
stored AS (
    {stored}),
placed AS (SELECT purchase_id, token_id, symbol, token_symbol, rows, ({upto})::HUGEINT AS until FROM stored),
lines AS (
    SELECT token_id, token_symbol, symbol, network, asset, decimals,
           CASE WHEN token_id IS NULL AND symbol IS NULL THEN 'rows of no token' ELSE 'rows' END AS brought,
           s.rows, {_share("(until - s.rows)", "until")} AS atomic
    FROM placed s JOIN priced USING (purchase_id) WHERE priced.rows > 0
    UNION ALL
    SELECT NULL, NULL, NULL, network, asset, decimals, brought, rows, atomic
    FROM ({_lines(("checked rows", "unreadable rows"))}))
SELECT token_id, max(token_symbol) AS token_symbol, network, asset, brought, sum(rows)::BIGINT AS rows,
       sum(atomic)::DECIMAL(38, 0) AS amount_atomic, {_in_asset("sum(atomic)", "any_value(decimals)")} AS amount
FROM lines GROUP BY token_id, symbol, network, asset, brought ORDER BY ALL"""


def _stored(table: Table) -> str:
    """A table's rows by purchase and token; one without ids is counted by symbol."""
    names = [column.name for column in table.columns]
    token_id = "token_id" if "token_id" in names else "NULL::BIGINT AS token_id"
    token_symbol = "max(token_symbol)" if "token_symbol" in names else "NULL::VARCHAR"
    symbol = "token_symbol" if "token_symbol" in names and "token_id" not in names else "NULL::VARCHAR"
    by = ", token_id" if "token_id" in names else ", token_symbol" if "token_symbol" in names else ""
    return (
        f"SELECT any_value(purchase_id) AS purchase_id, {token_id}, {symbol} AS symbol, "
        f"{token_symbol} AS token_symbol, count(*) AS rows FROM {table.observations} "
        f"WHERE dataset IN {_datasets(table)} GROUP BY seq{by}"
    )


def row_key(table: Table) -> str:
    """A row's key as text: its parts joined by slashes, days as 2026-11-20, times as 2026-11-20T14:00:00Z, UTC."""
    return f"concat_ws('/', {', '.join(_key_text(table, name) for name in table.natural_key)})"


def _key_text(table: Table, name: str) -> str:
    match _cast(table, name):
        case Cast.DATE:
            return f"strftime({quoted(name)}, '%Y-%m-%d')"
        case Cast.TIMESTAMP:
            return f"strftime({quoted(name)} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
        case _:
            return quoted(name)


def _cast(table: Table, name: str) -> Cast:
    return next(column.cast for column in table.columns if column.name == name)


_TYPED = {Cast.INTEGER: "BIGINT", Cast.DATE: "DATE", Cast.TIMESTAMP: "TIMESTAMPTZ"}
"""Types of key columns whose text holds no slash, so that a part of the key finds them without reading every row."""


def _of_key(table: Table) -> str:
    """The condition that a row has the key, or one that begins with it. What the parts exclude is not read."""
    conditions = ["starts_with(row_key || '/', $of_key || '/')"]
    for number, name in enumerate(table.natural_key, 1):
        kind = _TYPED.get(_cast(table, name))
        if kind is None:
            break
        part = f"split_part($of_key, '/', {number})"
        conditions.append(f"({part} = '' OR {quoted(name)} = try_cast({part} AS {kind}))")
    return " AND ".join(conditions)


def _provenance(only_here: str) -> str:
    """The macro `provenance(of_table, of_key)`: the purchase behind each version of a row, and the row's share.

    Its query is made as text for the one table that is asked for: to plan every table takes longer than the answer.
    """
    arms = " ".join(
        f"WHEN {literal(name)} THEN {literal(_found(table, only_here))}" for name, table in declared_tables().items()
    )
    unknown = "error('provenance: no such table; published_tables lists them')"
    key = "chr(39) || replace(of_key, chr(39), chr(39) || chr(39)) || chr(39)"
    return f"""
CREATE OR REPLACE MACRO provenance(of_table, of_key) AS TABLE
FROM query(replace(CASE of_table {arms} ELSE {unknown} END || {literal(_TRACED)}, '$of_key', {key}))"""


def _found(table: Table, only_here: str) -> str:
    """A table's rows of the key, and how many rows of its purchase stand before each.

    Counting them is quicker than numbering every row of every purchase.
    """
    names = [column.name for column in table.columns]
    token = next((name for name in _TOKEN if name in names), table.natural_key[0])
    order, versions = [*dict.fromkeys([token, *table.natural_key])], row_versions.name_of(table)
    return (
        f"WITH matching AS MATERIALIZED (SELECT '{table.name}' AS table_name, {row_key(table)} AS row_key, "
        f"observed_at, purchase_id, seq, {column_list(order)}, dataset IN {_datasets(table)} AS bought "
        f"FROM {versions} WHERE {only_here} AND {_of_key(table)}), "
        f"before AS (SELECT m.seq, m.row_key, count(*) AS before FROM matching m JOIN {versions} o "
        f"ON o.seq = m.seq AND ({_stands_before(order)}) GROUP BY ALL) "
    )


def _stands_before(order: Sequence[str]) -> str:
    """The condition that row `o` of a purchase stands before row `m`: by the first column that differs."""
    name, *rest = order
    first = f"o.{quoted(name)} < m.{quoted(name)}"
    same = f"o.{quoted(name)} = m.{quoted(name)}"
    return f"{first} OR ({same} AND ({_stands_before(rest)}))" if rest else first


def _datasets(table: Table) -> str:
    """The datasets whose purchases bring the table's rows: those of others are shown in it, and counted elsewhere."""
    return f"({', '.join(map(literal, table.datasets))})"


# Joined to the tables behind `costs`: the view would be computed for every purchase. Most of the time that the look-up
# of one row takes goes into planning it, so that each amount is computed once, by name.
_TRACED = f"""
SELECT * EXCLUDE (unit, whole, rows, share), share::DECIMAL(38, 0) AS amount_per_row_atomic,
       (share // unit)::DECIMAL(38, 18) + (share % unit * (1000000000000000000 // unit))::DECIMAL(18, 0)
           * 0.000000000000000001::DECIMAL(18, 18) AS amount_per_row
FROM (SELECT k.table_name, k.row_key, k.observed_at, k.purchase_id, c.dataset, c.request, c.flow, c.deployment,
             c.flow_run_id, c.run_id, c.reason, c.amount, c.asset, c.network, {_MONEY} AS money, c.tx_hash,
             c.block_time, c.verified_on_chain, coalesce(l.rows_in, 0) AS rows_delivered,
             (10 ** c.decimals)::HUGEINT AS unit, c.amount_atomic::HUGEINT AS whole,
             greatest(l.rows_in, l.rows_new + l.rows_changed + l.rows_quarantined) AS rows,
             CASE WHEN bought AND rows > 0
                  THEN whole // rows + (coalesce(before, 0) < whole % rows)::INTEGER END AS share
      FROM matching k LEFT JOIN ledger_costs c USING (purchase_id) LEFT JOIN loads l USING (purchase_id)
           LEFT JOIN before b ON b.seq = k.seq AND b.row_key = k.row_key)
ORDER BY row_key, observed_at"""
