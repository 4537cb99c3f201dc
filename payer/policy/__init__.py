"""Reviewed limits on what may be paid for, read from policy.toml and applied to a seller's terms.

In reading order:

- `rules`        the limits as values
- `file`         read policy.toml into them
- `toml_table`   read one TOML table strictly
- `judge`        choose among the offers of a 402, draft the authorization to sign, judge it again later
- `offer_rules`  the rules that an offer must pass
- `clock_skew`   compare our clock with others'; say when nothing may be signed by it
- `attempts`     how often a payment is presented and its body claimed
"""
