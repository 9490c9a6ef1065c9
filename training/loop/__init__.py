"""The training loop and its learning curves."""
