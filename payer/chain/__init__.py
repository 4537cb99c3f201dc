"""Read from the chain what became of our payments; in doubt the answer is unknown, never false (I9).

In reading order:

- `chain`        the protocol that the payer uses, and its values
- `reader`       the protocol over JSON-RPC
- `nonces`       the token's flag for each nonce
- `logs`         the token's logs about a payer
- `settlements`  from a log to proof of payment
- `rpc`          JSON-RPC in batches
- `calls`        contract calls and their results
- `multicall`    many reads in one call
"""
