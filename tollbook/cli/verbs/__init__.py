"""The verbs of the command, siblings in one file. Heavy imports happen inside functions: `--help` must stay fast."""
