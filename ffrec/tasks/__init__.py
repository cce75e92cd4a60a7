"""A task joins a recipe, its data, its trainer and its result."""
