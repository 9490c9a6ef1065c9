"""Several people: videos of known truth, and who is told from whom in them."""
