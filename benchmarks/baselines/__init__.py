"""`mmer-bench against`: the loop that people write today beside the live session."""
