"""What is measured of trained networks besides their error, each by a command with a table of its own."""
