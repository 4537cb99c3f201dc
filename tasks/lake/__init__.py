"""Writing what is published to a DuckLake catalog."""
