"""The product's face: the `tollbook` command, and reading what was published."""
