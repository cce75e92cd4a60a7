"""One run on many processes: torch.distributed under torchrun."""
