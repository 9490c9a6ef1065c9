"""`mmer-bench soak`: memory, drift and losses over hours of one session."""
