"""The fewest paid requests for what is missing.

Reading order: plan (from demand to pieces) · demand (groups under the seller's limits) · rectangles (the fewest pages)
· grid (missing cells as a mask) · pieces (requests) · held (what need not be bought).
"""
