"""Shared parts of the benchmarks: clips, runs, traces."""
