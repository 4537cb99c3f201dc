"""The needs of one process: `settings` (environment), `workspace` (policy, ledger, cache, payer), `run` (its purpose),
`sellers` (what policy.toml says of them), `home` (rights and place of files), `cache_trouble` (storage errors for a
person), `stop_signals`.
"""
