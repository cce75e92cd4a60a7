"""Data on the device: images as networks take them, and drawing from distributions."""
