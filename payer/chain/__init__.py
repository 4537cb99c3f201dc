"""Read from the chain what became of our payments; in doubt the answer is unknown, never false (I9).

In reading order:

- `chain`        the protocol that the payer uses, and its values
- `reader`       the protocol over the servers that policy names
- `agreement`    from what several servers say to one view
- `server`       the protocol over one JSON-RPC server
- `nonces`       the token's flag for each nonce
- `logs`         the token's logs about a payer
- `settlements`  from a log to proof of payment
- `log_ranges`   the block ranges that servers answer for
- `rpc`          JSON-RPC in batches
- `refusals`     what a server's errors mean
- `multicall`    many reads in one call
"""
