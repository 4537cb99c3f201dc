"""Object storage as a run sees it: send after each publication, remember what kept it from being sent."""
