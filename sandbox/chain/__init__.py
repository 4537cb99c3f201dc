"""A JSON-RPC node over py-evm: chain id 31337, real blocks, receipts and gas, and faults on demand.

Reading order: chain · pool · evm · store · rpc · encode · http (and controls) · token (and genesis) · contracts.
"""
