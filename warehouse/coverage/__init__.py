"""Coverage: the cells that the cache holds, so that nothing is bought twice. Its rules are in `sources.coverage`.

In reading order: `page` (a delivery as rows and answer), `store` (groups and spans as rows), `record` (write what
new pages cover), `held` (what need not be bought).
"""
