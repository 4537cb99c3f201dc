"""The report as one HTML page: `figures` reads the published file, `wallet` the caps and the balance, `charts` draws,
`page` fills the template, `write` puts the file in its place.
"""
