"""Readers of the corpora: one module a modality, each returning plain frozen records."""
