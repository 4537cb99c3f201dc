"""HTTP as a payer may use it: bounded, paced, never redirected, and exact about what left the machine."""
