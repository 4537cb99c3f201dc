"""HTTP for paid requests: bounded, paced, never redirected, and exact about whether a byte left the machine.

In reading order:

- `transport`  the way to the sellers that policy names
- `outcome`    an answer, or why there is none
- `exchange`   one request and its answer
- `bounded`    read headers and bodies up to a limit
- `gate`       limit and pause a seller's requests
- `pace`       space a seller's requests, across processes
- `pool`       kept connections
"""
