"""The tables of what was measured of finished runs after their training."""
