"""`tollbook init`: its questions, its pages, and the paid world that `--sandbox` sets up against."""
