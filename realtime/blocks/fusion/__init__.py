"""Fusion of speech, text and face evidence over a sliding window."""
