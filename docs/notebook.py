# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo>=0.25,<0.26", "tollbook", "polars>=2.1,<3", "pyarrow>=26,<27", "altair>=5,<7", "sqlglot"]
#
# [tool.uv.sources]
# tollbook = { path = ".." }
# ///
"""A notebook on the published file: `uvx marimo edit --sandbox docs/notebook.py`, with TOLLBOOK_HOME set."""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import os

    import altair as alt
    import marimo as mo

    import tollbook

    home = os.environ.get("TOLLBOOK_HOME", ".demo")
    warehouse = tollbook.connect(home)
    mo.md(f"# What tollbook bought\n\nThe newest publication under `{home}/published`, read-only")
    return alt, mo, warehouse


@app.cell
def _(mo):
    mo.md("## What it cost")
    return


@app.cell
def _(mo, warehouse):
    costs = mo.sql(
        """
        SELECT flow, calls_paid, amount::DOUBLE AS amount, asset, rows_new::BIGINT AS rows_new,
               calls_avoided, saved::DOUBLE AS saved
        FROM cost_by_flow
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
    grades = mo.sql("SELECT token_symbol, date, tm_grade FROM grades ORDER BY ALL", engine=warehouse, output=False)
    alt.Chart(grades).mark_line(point=True).encode(
        x=alt.X("date:T", title=None),
        y=alt.Y("tm_grade:Q", title="grade"),
        color=alt.Color("token_symbol:N", title=None),
    ).properties(width=680, height=260)
    return


if __name__ == "__main__":
    app.run()
