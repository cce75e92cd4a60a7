"""Run folders that survive a crash. Knows no network."""
