"""x402 versions 1 and 2 on the wire, and the strict JSON that everything foreign passes through.

In reading order:

- `strict_json`  parse JSON strictly, take typed fields from it, quote foreign values safely
- `headers`      base64 JSON in headers
- `terms`        read the terms of a 402
- `payment`      write the header that pays
- `receipt`      read what a seller claims about a settlement
- `addresses`    Ethereum addresses and hashes as text

Nothing here judges; policy does.
"""
