"""Corpora: their registry, readers and labelled items, and decoding of their files."""
