"""`mmer-bench against`: baseline loops beside the live session."""
