"""`tollbook demo`, which `make demo` runs: its home, its steps, and the pages it prints."""
