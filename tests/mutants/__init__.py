"""Deliberate faults in the code that handles money, and the tests that have to notice each of them."""
