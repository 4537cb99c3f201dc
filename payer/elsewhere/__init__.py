"""Count what the wallet paid elsewhere, before anything is signed, so that the caps hold for the whole wallet."""
