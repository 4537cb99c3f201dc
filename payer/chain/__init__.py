"""What the chain says of our payments: read at pinned blocks, believed only with its logs, unknown when in doubt."""
