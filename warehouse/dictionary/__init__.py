"""The data dictionary: meaning, unit, time basis and source of every published table and column, declared once.

In reading order: `entry` (one column, one table), `datasets` (from what sellers declare), `columns` (of our own, by
name), `tables` (of our own), `find` (any published name), `comments` (as SQL). docs/dictionary.md, dbt sources and
`tollbook columns` are made from it, too.
"""
