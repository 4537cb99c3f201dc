"""Tests of reading the chain."""
