"""Tests of HTTP for paid requests."""
