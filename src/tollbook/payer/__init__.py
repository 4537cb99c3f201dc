"""The exactly-once x402 buyer. Knows no Prefect, no DuckDB and no seller."""
