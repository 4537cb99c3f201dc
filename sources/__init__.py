"""Everything that can be bought, declared as data: one file per seller over one small model.

Reading order: model (what a declaration says) · sellers (the declarations) · registry (find them by name, and the feeds
that flows keep fresh) · slots (time and editions) · planner (missing cells to requests) · parse (bodies to rows)
· coverage (which cells are held).
"""
