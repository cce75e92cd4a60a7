"""Networks that a run is compared with: the same shape and strings, trained otherwise."""
