"""From a request to an outcome: `plan`, `bill`, `caps`, `fit_caps`, `purchase`, `overlaps`, `publish`, `outcome` with
its `outcome_builder`. `watch` is a run's progress.
"""
