"""Exports for other tools: `accounting` (CSV for bookkeeping), `published` (names and types of all that is published),
`dbt` (a source file of it), `dictionary` (every table and column, for people)."""
