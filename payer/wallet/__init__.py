"""The payer's key and what it signs.

load      the key from the environment or a keystore
eip3009   the digest of an authorization, and the wallet that signs it
sign      a purchase's authorization and its payment header
"""
