"""Free reference data: the `catalogue` of tokens and other lists that a seller gives for nothing."""
