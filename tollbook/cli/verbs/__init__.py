"""One file per verb of the command. Heavy imports happen inside the functions: `tollbook --help` must stay fast."""
