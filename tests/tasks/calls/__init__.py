"""Tests of the calls that people and programs watch."""
