"""Benchmark reports: rows, tables, statistics, plots."""
