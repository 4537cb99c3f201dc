"""From a request to an outcome: `plan`, `quote`, `bill`, `caps`, `purchase`, `overlaps`, `publish`, then `outcome` and
its `outcome_builder`. `steps` is the table of steps that a run is given, `watch` its progress.
"""
