"""Publications on object storage: addresses, the documents that lie there, the store, and a reader's copy.

The publisher (`warehouse/bucket`) and readers (`tollbook.read`, `tollbook.connect`) share it. It imports nothing of
ours, and its name is one that no folder beside a notebook has.
"""
