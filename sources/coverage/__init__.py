"""The coverage of delivered pages: which cells are held, for how long, and what has to be asked again.

Reading order: delivered_page (the record of one page) · cover (the rules) · shifted_pages (rows that a listing hid).
"""
