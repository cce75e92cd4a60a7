"""What is between a command and the terminal it was started from."""
