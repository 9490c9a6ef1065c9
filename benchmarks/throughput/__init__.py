"""`mmer-bench throughput`: how many live streams one machine carries, and what each costs."""
