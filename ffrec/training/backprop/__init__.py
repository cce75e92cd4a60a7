"""Training by backpropagation: what is learnt without a backward pass is compared with it."""
