"""Read from the chain what became of our payments; in doubt the answer is unknown, never false (I9).

In reading order: chain, reader, server, nonces, logs; beneath them rpc and refusals.
"""
