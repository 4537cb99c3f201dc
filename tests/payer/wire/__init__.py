"""Tests of x402 on the wire."""
