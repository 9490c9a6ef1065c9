"""The training commands: each module is one console script."""
