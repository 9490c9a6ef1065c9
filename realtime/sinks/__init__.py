"""Sinks of the results: JSON lines, terminal, video window, annotated video, summary."""
