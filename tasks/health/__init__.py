"""Health: `doctor` checks a configuration without paying. Findings about `money`, `data` and `machine` are gathered by
`check`; `changes` keeps what people were told of, `notify` tells them, `report` is one check from beginning to end.
"""
