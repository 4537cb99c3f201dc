"""Fold the events again and compare what the ledger keeps beside them: the projection, and the caps' buckets."""
