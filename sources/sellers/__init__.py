"""One file or folder per seller. Each gives a SELLER, which sources/registry.py lists."""
