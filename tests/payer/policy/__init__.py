"""Tests of the reviewed limits."""
