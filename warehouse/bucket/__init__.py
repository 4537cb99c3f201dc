"""Send what is published to object storage, for readers on other machines (docs/adr/0013-object-storage.md).

`local_set` reads the local publication, `send` carries it, `expire` deletes old versions, `memory` is what this home
remembers of an address. What lies there is in tollbook_bucket/documents.py.
"""
