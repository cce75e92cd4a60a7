"""What a user would pick instead of Forward-Forward, and autograd as the reference for gradients."""
