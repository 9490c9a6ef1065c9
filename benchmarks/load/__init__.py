"""`mmer-bench load`: a live session beside busy processes."""
