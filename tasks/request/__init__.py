"""From names, dates and keys to a request for data: `model`, `names`, `tokens`, `build`; `schedules` for freshness."""
