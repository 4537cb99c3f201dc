"""Set up a folder for buying: what `tollbook init` would write, as text, and writing it."""
