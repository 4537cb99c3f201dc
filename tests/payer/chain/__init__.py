"""Tests of what the chain says of our payments."""
