"""Input and output of the command at a terminal or a pipe."""
