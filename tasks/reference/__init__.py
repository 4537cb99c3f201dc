"""Free reference data: `refresh` fetches a list of it, `catalogue` finds tokens in one."""
