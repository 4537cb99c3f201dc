"""Calls as people and programs watch them: what was asked for, its price, its state, its transaction."""
