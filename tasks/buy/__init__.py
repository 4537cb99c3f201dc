"""From a request to an outcome: `plan`, `quote`, `bill`, `caps`, `purchase`, `overlaps`, `publish`, then `outcome` and
its `outcome_builder`. `watch` is a run's progress.
"""
