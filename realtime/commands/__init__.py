"""The live commands: each module is one console script."""
