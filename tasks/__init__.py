"""The steps of a run, as plain functions; `prefect/` alone knows Prefect.

In reading order: `workspace/` what a process needs, `request/` what is wanted, `buy/` plan to outcome, `ops/` what an
operator runs beside it, `prefect/` the steps as Prefect tasks. Each room imports only those before it.
"""
