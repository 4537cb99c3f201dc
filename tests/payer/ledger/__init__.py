"""Tests of the write-ahead books."""
