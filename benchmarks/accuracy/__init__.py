"""`mmer-bench accuracy`: every accuracy figure of the README, from the data on disk."""
