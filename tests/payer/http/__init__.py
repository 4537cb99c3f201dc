"""Tests of HTTP as a payer may use it."""
