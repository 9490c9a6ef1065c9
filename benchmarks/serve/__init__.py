"""Benchmark of `mmer-serve`: delays of many sessions, abuse beside them, memory, the page."""
