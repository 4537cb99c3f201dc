"""From a request to an outcome: `plan`, `quote`, `bill`, `caps`, `fit_caps`, `purchase`, `claims`, `load`, then
`outcome` and its `outcome_builder`. `steps` is the table of steps that a run is given, `watch` its progress.
"""
