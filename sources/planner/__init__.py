"""The fewest paid requests for what is missing.

Reading order: plan (from demand to pieces) · demand (groups under the seller's limits) · rectangles (missing cells as a
mask, and the fewest pages) · pieces (requests) · held (spans of slots, and what need not be bought).
"""
