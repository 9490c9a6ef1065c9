"""`mmer-bench throughput`: number of live streams that one machine carries, and their cost."""
