"""The needs of one process: `settings` (environment), `workspace` (policy, ledger, cache, payer), `run` (its purpose),
`watch_lists` and `schedules` (what policy.toml and prefect.yaml say), `private_state` (rights of files under state/),
`cache_trouble` (storage errors for a person).
"""
