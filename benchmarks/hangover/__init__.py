"""`mmer-bench hangover`: what a shorter wait for the pause saves, and what it cuts."""
