"""The payer's key and what it signs.

In reading order: signer, load, eip3009, remote, nonce_secret, keystore, sign, account, token.
"""
