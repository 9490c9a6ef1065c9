"""Studies on ready features: what a fusion can be shown to do where no recording is at hand."""
