"""What a layer is, what it tries to achieve, and the one local update that teaches it."""
