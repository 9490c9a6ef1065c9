"""Exports: files of other programs, written from a run's JSON lines."""
