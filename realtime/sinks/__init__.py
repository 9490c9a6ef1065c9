"""Where results go: JSON lines, terminal, picture window, annotated video, summary."""
