"""Where negative data comes from."""
