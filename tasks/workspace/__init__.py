"""The needs of one process: `settings` (environment), `workspace` (policy, ledger, cache, payer), `run` (its purpose),
`sellers` (what policy.toml says of them), `private_state` (rights of files), `place` (of the published set),
`cache_trouble` (storage errors for a person), `stop_signals`.
"""
