"""Reviewed limits: held as values (rules.py), read from policy.toml (file.py), applied to terms (judge.py)."""
