"""The payer's key and what it signs.

signer        the protocol of what signs, and the check of a foreign signature
load          what signs, from the environment: a key, a keystore, a remote signer
eip3009       the digest of an authorization, its typed data, and the wallet that signs it in this process
remote        a signer elsewhere, over JSON-RPC
nonce_secret  the file that nonces are derived from where the key is elsewhere
sign          a purchase's authorization and its payment header
account       a wallet with code on the chain, and whether tokens take its key's signatures
token         policy's asset beside the token contract's own word
"""
