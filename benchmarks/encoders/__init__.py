"""`mmer-bench encoders`: time of one call of each network, by engine, precision and batch."""
