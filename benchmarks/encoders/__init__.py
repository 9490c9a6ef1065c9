"""`mmer-bench encoders`: what one call of each network costs, by engine, precision and batch."""
