"""What users hold: trained networks, to predict, sample, save and load; and `train`, which makes one."""
