"""Tests of what strangers write, read strictly."""
