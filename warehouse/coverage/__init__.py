"""What the cache knows of each cell, so that nothing is bought twice. The rules themselves are in `sources.coverage`.

In reading order: `page` (a delivery as rows and answer), `store` (groups and spans as rows), `listing` (listings that
grow at their top), `record` (write what new pages cover), `held` (what need not be bought).
"""
