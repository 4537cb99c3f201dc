"""Health: `doctor` checks a configuration without paying (`outside` what others hold and answer). `check` looks for
what may need a person; `notify` tells people what changed, and keeps what they were told.
"""
