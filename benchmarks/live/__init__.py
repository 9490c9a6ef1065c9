"""`mmer-bench live`: how late, how costly and how large the recognizer is at the world's pace."""
