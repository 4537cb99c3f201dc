"""A DuckLake catalog that holds exactly the published rows, for many engines and teams at once."""
