# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo>=0.25,<0.26", "tollbook", "polars>=2.1,<3", "pyarrow>=26,<27", "altair>=5,<7", "sqlglot"]
#
# [tool.uv.sources]
# tollbook = { path = ".." }
# ///
"""A notebook on the published file: `uvx marimo edit --sandbox docs/notebook.py`, with TOLLBOOK_HOME set."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def _():
    import os

    import altair as alt
    import marimo as mo

    import tollbook

    home = os.environ.get("TOLLBOOK_HOME", ".demo")
    warehouse = tollbook.connect(home)
    mo.md(f"# What tollbook bought\n\nThe newest publication under `{home}/published`, read-only.")
    return alt, mo, warehouse


@app.cell
def _(mo):
    mo.md("""
    Every table has its meaning, key and time column in `published_tables`; `tollbook columns TABLE` explains each
    column. Nothing here buys, writes or needs a key.
    """)
    return


@app.cell
def _(mo, warehouse):
    published = mo.sql(
        """
        SELECT t.table_name, array_to_string(t.natural_key, ', ') AS key, t.time_column,
               sum(s.rows_new)::BIGINT AS rows, max(s.newest_slot) AS newest
        FROM published_tables t JOIN quality_summary s ON s.table_name = t.table_name
        GROUP BY ALL ORDER BY rows DESC
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(mo):
    mo.md("## What it cost\n\nExact amounts, as `tollbook costs` has them; only the chart needs a float.")
    return


@app.cell
def _(mo, warehouse):
    by_flow = mo.sql(
        """
        SELECT flow, calls_paid, rtrim(rtrim(amount::VARCHAR, '0'), '.') AS amount, asset,
               rtrim(rtrim(loss::VARCHAR, '0'), '.') AS lost, rows_new::BIGINT AS rows_new, calls_avoided,
               rtrim(rtrim(saved::VARCHAR, '0'), '.') AS saved
        FROM cost_by_flow
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(alt, mo, warehouse):
    spent = mo.sql(
        """
        SELECT (coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS day, flow, asset,
               sum(amount)::DOUBLE AS amount
        FROM costs GROUP BY ALL ORDER BY ALL
        """,
        engine=warehouse,
        output=False,
    )
    alt.Chart(spent, title="Spent per day").mark_bar().encode(
        x=alt.X("yearmonthdate(day):T", title=None, axis=alt.Axis(format="%-d %b")),
        y=alt.Y("amount:Q", title="amount"),
        color=alt.Color("flow:N", title=None),
        tooltip=["day:T", "flow:N", "amount:Q", "asset:N"],
    ).properties(width=680, height=220)
    return


@app.cell
def _(mo):
    mo.md("## What a new row cost")
    return


@app.cell
def _(mo, warehouse):
    per_row = mo.sql(
        """
        SELECT dataset, rows_new::BIGINT AS rows_new, rtrim(rtrim(amount::VARCHAR, '0'), '.') AS amount,
               rtrim(rtrim(amount_per_new_row::VARCHAR, '0'), '.') AS a_new_row, asset
        FROM cost_per_new_row ORDER BY cost_per_new_row.amount DESC
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(mo):
    mo.md("## How fresh it is")
    return


@app.cell
def _(mo, warehouse):
    freshness = mo.sql(
        "SELECT dataset, newest_slot, late, keys, keys_late, slots_missing, rows_quarantined FROM quality_summary",
        engine=warehouse,
    )
    return


@app.cell
def _(alt, mo, warehouse):
    held = mo.sql("SELECT token_symbol, date FROM grades ORDER BY ALL", engine=warehouse, output=False)
    alt.Chart(held, title="Days with a grade").mark_rect(color="seagreen").encode(
        x=alt.X("yearmonthdate(date):O", title=None, axis=alt.Axis(labelAngle=-45, labelOverlap="greedy")),
        y=alt.Y("token_symbol:N", title=None),
    ).properties(width=680)
    return


@app.cell
def _(mo):
    mo.md("## Where a row came from\n\nThe purchase, its price, its transaction and its run, of any row of any table.")
    return


@app.cell
def _(mo, warehouse):
    origin = mo.sql(
        """
        SELECT g.token_symbol, g.date, g.tm_grade, c.flow, c.reason, c.request, c.tx_hash,
               rtrim(rtrim(c.amount::VARCHAR, '0'), '.') AS call_cost, c.asset, c.rows_delivered
        FROM grades g JOIN costs c USING (purchase_id) ORDER BY g.date DESC, g.token_id LIMIT 5
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(mo):
    mo.md("## Signals against holding")
    return


@app.cell
def _(mo, warehouse):
    returns = mo.sql(
        """
        SELECT token_symbol, last(trading_signals_returns ORDER BY date) AS by_signals,
               last(holding_returns ORDER BY date) AS by_holding
        FROM signals GROUP BY token_id, token_symbol ORDER BY by_signals - by_holding DESC
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(mo, warehouse):
    symbols = mo.sql("SELECT DISTINCT token_symbol FROM signals ORDER BY ALL", engine=warehouse, output=False)
    names = symbols["token_symbol"].to_list()
    token = mo.ui.dropdown(names, value=next(iter(names), None), label="token")
    token
    return (token,)


@app.cell
def _(alt, mo, token, warehouse):
    name = str(token.value).replace("'", "''")
    priced = mo.sql(
        f"""
        SELECT s.date, p.close, s.trading_signal,
               CASE s.trading_signal WHEN 1 THEN 'long' WHEN -1 THEN 'short' ELSE 'no position' END AS position
        FROM signals s JOIN ohlcv_daily p USING (token_id, date)
        WHERE s.token_symbol = '{name}' ORDER BY s.date
        """,
        engine=warehouse,
        output=False,
    )
    price = alt.Chart(priced, title=f"{token.value}: price and signal").encode(
        x=alt.X("date:T", title=None), y=alt.Y("close:Q", title="USD", scale=alt.Scale(zero=False))
    )
    marks = price.mark_point(filled=True, size=60).encode(
        color=alt.Color(
            "position:N",
            title=None,
            scale=alt.Scale(domain=["long", "no position", "short"], range=["seagreen", "darkgray", "firebrick"]),
        )
    )
    (price.mark_line(color="gray") + marks).properties(width=680, height=240)
    return


@app.cell
def _(mo):
    mo.md("## Each signal with the grade known when it was first seen")
    return


@app.cell
def _(mo, warehouse):
    known = mo.sql(
        """
        SELECT s.token_symbol, s.date, s.trading_signal, g.known_date, g.tm_grade AS grade_known_then
        FROM signals_first_seen s LEFT JOIN grades_known_at('signals_first_seen') g USING (token_id, date)
        ORDER BY ALL
        """,
        engine=warehouse,
    )
    return


@app.cell
def _(mo):
    mo.md("## Grades, day by day")
    return


@app.cell
def _(alt, mo, warehouse):
    grade_days = mo.sql("SELECT token_symbol, date, tm_grade FROM grades ORDER BY ALL", engine=warehouse, output=False)
    alt.Chart(grade_days).mark_line(point=True).encode(
        x=alt.X("date:T", title=None),
        y=alt.Y("tm_grade:Q", title="grade"),
        color=alt.Color("token_symbol:N", title=None),
    ).properties(width=680, height=260)
    return


if __name__ == "__main__":
    app.run()
