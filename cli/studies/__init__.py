"""The search of settings, and the processes that it and sweeps start."""
