"""Health: `doctor` checks a configuration without paying (`outside` what others answer). `check` gathers findings about
money, data and set-up; `notify` tells people what changed, and keeps what they were told.
"""
