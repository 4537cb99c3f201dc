"""The payer's key and what it signs.

In reading order: sign, load, eip3009, remote, nonce_secret, keystore, checks.
"""
