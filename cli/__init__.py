"""The command line: parsing, progress and printing; nothing is computed here."""
