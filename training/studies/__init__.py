"""Studies: late fusion against its baselines; eye positions in FER2013."""
