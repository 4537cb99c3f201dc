"""Health: findings about `money`, `data` and `machine`, gathered by `check`; `changes` keeps what people were told of,
`notify` tells them, `report` is one check from beginning to end."""
