"""How fast this machine trains, as ratios of things that run in one process."""
