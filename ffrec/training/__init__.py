"""The training loop, for images and for text."""
