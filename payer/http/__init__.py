"""HTTP for paid requests: bounded, paced, never redirected, and exact about whether a byte left the machine.

In reading order: transport, exchange, bounded, gate, pool.
"""
