"""Reading the published file: `file` (attach it, find a table), `conditions` (what is asked, as SQL), `read`.

Everything about the tables (names, keys, time columns, types) is read from the file itself.
"""
