"""Shared parts of the benchmarks: clips, play, traces, processes, options."""
