"""A study is a grid of recipes, and the tables that they fill."""
