"""Networks that read a window of characters and predict the next one."""
