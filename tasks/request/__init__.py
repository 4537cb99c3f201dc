"""From names, dates and keys to a request for data: `model`, `keys`, `tokens`, `build`; `expected` for freshness."""
