"""A whole paid world on loopback: chain, token, facilitator, seller, faults."""
