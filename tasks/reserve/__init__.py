"""Reservations beside those of other runs: `overlaps` lets each cell be bought by one of them."""
