"""A whole paid world on loopback: chain, tokens, facilitator, sellers and faults.

Reading order: world · settings · faults · seller · market · facilitator · chain · control · config_files · clock ·
keys · servers.
"""
