"""`mmer-bench live`: delays, cost and memory of the recognizer at the world's pace."""
