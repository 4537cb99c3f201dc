"""What can be bought, declared as data: one file per seller over one small model."""
