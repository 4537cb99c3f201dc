"""The data the sandbox sells: seeded, plausible, and the same when asked again."""
