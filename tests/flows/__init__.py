"""Tests of tollbook."""
