"""One file or folder per seller, which sources/registry.py lists."""
