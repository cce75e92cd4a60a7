"""The layer pipeline: hidden layers in processes of their own, which learn while the next ones work."""
