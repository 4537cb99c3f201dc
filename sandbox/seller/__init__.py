"""The sellers of the sandbox.

Reading order: seller (one request) · shop (products and terms) · payment · other_sellers · fault_player.
"""
