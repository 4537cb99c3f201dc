"""Fold the events again and compare what the ledger keeps beside them: the projection, and the caps' buckets.

- `compare`   the comparison, pure: rows and events in, mismatches out
- `refold`    read a ledger a page at a time and compare all of it
- `integrity` when it is compared, and that nothing is signed while there is a mismatch
- `writers`   which processes write, so that one that ended without closing the ledger is noticed
"""
