"""A whole paid world on loopback: chain, tokens, facilitator, sellers and faults.

Reading order: world · serve · settings · faults · seller · market · facilitator · relayer · chain · control ·
config_files · clock · keys · servers · asgi.
"""
