"""Tables for people: bills, outcomes, purchases, the forecast, the report."""
