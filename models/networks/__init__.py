"""Torch definitions of the encoders; imported by training alone."""
