"""Exports for other tools: `accounting` (CSV for bookkeeping), `dictionary` (every table and column, for people),
`dbt` (a source file of them), `parquet` (a file per table)."""
