"""Exports for other tools: `accounting` (CSV for bookkeeping), `dbt` (a source file of the published tables)."""
