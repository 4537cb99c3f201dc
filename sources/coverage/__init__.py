"""The coverage of delivered pages: which cells are held, for how long, and what has to be asked again.

Reading order: delivered_page (the pages of a group, and where they end) · shifted_pages
(rows that a listing hid) · cell_state (a cell without a row) · absences (those of one key) · cover (the rules).
"""
