"""What analysts find by name: tables, macros and views, made from the declared datasets and from SQL files.

In reading order: `catalog`, `costs.sql`, `nested.sql`, `point_in_time`, `quality` with `quality.sql` (facts, published
as tables) and `quality_live.sql` (judged when asked).
"""
