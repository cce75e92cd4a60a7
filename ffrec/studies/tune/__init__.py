"""A search of settings: its space, its trials, what it found."""
