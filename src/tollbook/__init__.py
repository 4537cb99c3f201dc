"""Buys data that is sold by the call over HTTP 402, and pays for each piece exactly once."""
