"""Networks of the shipped models (torch)."""
