"""Commands: dedup, mask."""
