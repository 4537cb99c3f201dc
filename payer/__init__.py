"""The exactly-once x402 buyer. Knows no Prefect, no DuckDB and no seller.

The main path, in the order a purchase goes it; `services` is what all of it works with:

payer                        what callers see
quoting                      current terms, judged; an intent reserved inside every cap
buyer                        the loop: decide what is next, act, append
decide                       the decision itself, pure
sending                      what leaves the machine: signed, sent, claimed
answers, keeping, new_terms  what came back, and writing it down
recover, reconcile           what was left open; ledger against chain

The values they share stand beside them: types, money, events, identity, errors. A room knows those, and of the others
only what stands above it:

wire                         what strangers write, read strictly
policy                       reviewed limits, and the judge of a seller's terms
http                         requests, and whether a byte of one may have left
chain                        what the chain says of our payments
ledger                       the write-ahead books; of the other rooms they know policy alone
"""
