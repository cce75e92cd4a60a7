"""Commands that measure a trained run, each with a file in its folder and a table for the docs."""
