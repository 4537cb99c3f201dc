"""A notebook on the published file: `uvx marimo edit docs/notebook.py`, with TOLLBOOK_HOME set."""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import os

    import duckdb
    import marimo as mo

    home = os.environ.get("TOLLBOOK_HOME", ".demo")
    warehouse = duckdb.connect(f"{home}/published/warehouse.duckdb", read_only=True)
    return mo, warehouse


@app.cell
def _(mo, warehouse):
    mo.md("## What it cost")
    _costs = mo.sql("SELECT * FROM cost_by_flow", engine=warehouse)
    return


@app.cell
def _(mo, warehouse):
    mo.md("## Signals against holding")
    _returns = mo.sql(
        """
        SELECT token_symbol, last(trading_signals_returns ORDER BY date) AS by_signals,
               last(holding_returns ORDER BY date) AS by_holding
        FROM signals GROUP BY token_symbol ORDER BY by_signals - by_holding DESC
        """,
        engine=warehouse,
    )
    return


if __name__ == "__main__":
    app.run()
