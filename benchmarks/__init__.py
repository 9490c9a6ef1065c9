"""Repeatable measurements: latency, throughput, memory, accuracy."""
