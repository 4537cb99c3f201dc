"""x402 versions 1 and 2 on the wire, and the strict JSON that everything foreign passes through.

Nothing here judges; policy does. In reading order: strict_json, terms, payment, seller_word, addresses.
"""
