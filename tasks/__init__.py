"""The steps of a run, plain functions; one file makes Prefect tasks of them."""
