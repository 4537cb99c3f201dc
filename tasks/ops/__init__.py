"""The operator's commands. `status`, `costs`, `report` and `forecast` show; `recovery`, `reconcile` and `accept_loss`
settle; `publish` and `backup` keep files; `probe` asks for terms without paying.
"""
