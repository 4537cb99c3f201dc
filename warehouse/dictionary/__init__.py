"""The data dictionary: meaning, unit, time basis and source of every published table and column, declared once.

In reading order: `entry` (one column, one table), `columns` (of our own, by name), `tables` (of our own), `find` (any
published name, those of sellers' datasets too; as SQL comments). docs/dictionary.md, dbt sources and `tollbook columns`
are made from it, too.
"""
