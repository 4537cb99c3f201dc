# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo>=0.25,<0.26", "tollbook", "polars>=2.1,<3", "pyarrow>=26,<27", "altair>=5,<7", "sqlglot"]
#
# [tool.uv.sources]
# tollbook = { path = ".." }
# ///
"""A dashboard on the published file: `uvx marimo run --sandbox docs/dashboard.py`, with TOLLBOOK_HOME set.

It reads the newest publication when it is opened, and buys nothing.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="tollbook")


@app.cell
def _():
    import os

    import altair as alt
    import marimo as mo

    import tollbook

    warehouse = tollbook.connect(os.environ.get("TOLLBOOK_HOME", ".demo"))
    return alt, mo, warehouse


@app.cell
def _(mo, warehouse):
    flows = mo.sql("SELECT DISTINCT flow FROM costs ORDER BY ALL", engine=warehouse, output=False)
    symbols = mo.sql(
        "SELECT DISTINCT token_symbol FROM grades WHERE token_symbol IS NOT NULL ORDER BY ALL",
        engine=warehouse,
        output=False,
    )
    flow = mo.ui.multiselect(flows["flow"].to_list(), value=flows["flow"].to_list(), label="flows")
    token = mo.ui.multiselect(
        symbols["token_symbol"].to_list(), value=symbols["token_symbol"].to_list()[:5], label="tokens"
    )
    days = mo.ui.slider(7, 365, value=60, label="days", show_value=True, debounce=True)
    return days, flow, token


@app.cell
def _(flow, token):
    def sql_list(words):
        """A list of texts in SQL: a quote in a name is doubled."""
        return "[" + ", ".join("'" + word.replace("'", "''") + "'" for word in words) + "]::VARCHAR[]"

    flow_list, token_list = sql_list(flow.value), sql_list(token.value)
    return flow_list, token_list


@app.cell
def _(days, flow, mo, token, warehouse):
    total = mo.sql(
        """
        SELECT asset, sum(calls_paid)::BIGINT AS calls, sum(calls_avoided)::BIGINT AS avoided,
               rtrim(rtrim(sum(amount)::VARCHAR, '0'), '.') AS amount,
               rtrim(rtrim(sum(saved)::VARCHAR, '0'), '.') AS saved,
               rtrim(rtrim(sum(loss)::VARCHAR, '0'), '.') AS lost
        FROM cost_by_flow GROUP BY asset ORDER BY asset
        """,
        engine=warehouse,
        output=False,
    )
    late = mo.sql("SELECT count(*) AS datasets FROM quality_summary WHERE late", engine=warehouse, output=False)
    stats = [
        stat
        for row in total.to_dicts()
        for stat in (
            mo.stat(f"{row['amount']} {row['asset']}", label="spent", caption=f"{row['calls']} paid calls"),
            mo.stat(f"{row['saved']} {row['asset']}", label="saved", caption=f"{row['avoided']} calls not made"),
            mo.stat(f"{row['lost']} {row['asset']}", label="lost", caption="paid for nothing that can be used"),
        )
    ]
    stats.append(mo.stat(late["datasets"][0], label="late", caption="datasets behind their schedule"))
    mo.vstack(
        [
            mo.md("# tollbook"),
            mo.hstack(stats, widths="equal"),
            mo.hstack([flow, token, days], justify="start", gap=2, wrap=True),
        ]
    )
    return


@app.cell
def _(alt, days, flow_list, mo, warehouse):
    spent = mo.sql(
        f"""
        SELECT (coalesce(block_time, created_at) AT TIME ZONE 'UTC')::DATE AS day, flow, asset,
               sum(amount)::DOUBLE AS amount
        FROM costs WHERE list_contains({flow_list}, flow)
        GROUP BY ALL HAVING day > (SELECT max(day) FROM cost_by_day) - {days.value} ORDER BY ALL
        """,
        engine=warehouse,
        output=False,
    )
    spending = mo.ui.altair_chart(
        alt.Chart(spent, title="Spent per day")
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(day):T", title=None, axis=alt.Axis(format="%-d %b")),
            y=alt.Y("amount:Q", title=None),
            color=alt.Color("flow:N", title=None),
            tooltip=["day:T", "flow:N", "amount:Q", "asset:N"],
        )
        .properties(width="container", height=220)
    )
    spending
    return


@app.cell
def _(alt, days, mo, token_list, warehouse):
    grade_days = mo.sql(
        f"""
        SELECT token_symbol, date, tm_grade, tm_grade_signal FROM grades
        WHERE list_contains({token_list}, token_symbol)
          AND date > (SELECT max(date) FROM grades) - {days.value} ORDER BY ALL
        """,
        engine=warehouse,
        output=False,
    )
    graded = mo.ui.altair_chart(
        alt.Chart(grade_days, title="Token Metrics grade")
        .mark_line(point=True)
        .encode(
            x=alt.X("date:T", title=None),
            y=alt.Y("tm_grade:Q", title=None, scale=alt.Scale(domain=[0, 100])),
            color=alt.Color("token_symbol:N", title=None),
            tooltip=["token_symbol:N", "date:T", "tm_grade:Q", "tm_grade_signal:N"],
        )
        .properties(width="container", height=260)
    )
    graded
    return


@app.cell
def _(mo, token_list, warehouse):
    positions = mo.sql(
        f"""
        SELECT token_symbol AS token, max(date) AS day, arg_max(trading_signal, date) AS signal,
               arg_max(trading_signals_returns, date) AS by_signals, arg_max(holding_returns, date) AS by_holding
        FROM signals WHERE list_contains({token_list}, token_symbol)
        GROUP BY ALL ORDER BY token
        """,
        engine=warehouse,
        output=False,
    )
    freshness = mo.sql(
        """
        SELECT dataset, newest_slot, last_delivery, late, keys_late, slots_missing, rows_quarantined
        FROM quality_summary ORDER BY late DESC NULLS LAST, dataset
        """,
        engine=warehouse,
        output=False,
    )
    purchases = mo.sql(
        """
        SELECT coalesce(block_time, created_at) AS at_time, flow, dataset,
               rtrim(rtrim(amount::VARCHAR, '0'), '.') AS amount, asset, money, data, rows_new, tx_hash
        FROM costs ORDER BY at_time DESC LIMIT 50
        """,
        engine=warehouse,
        output=False,
    )
    mo.ui.tabs(
        {
            "Signals": mo.ui.table(positions, selection=None),
            "Freshness": mo.ui.table(freshness, selection=None),
            "Purchases": mo.ui.table(purchases, selection=None),
        }
    )
    return


if __name__ == "__main__":
    app.run()
