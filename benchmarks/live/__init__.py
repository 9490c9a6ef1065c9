"""`mmer-bench live`: delays, cost and memory of the recognizer in real time."""
