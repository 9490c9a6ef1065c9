"""Multimodal training: named encoders and a named fusion on one corpus."""
