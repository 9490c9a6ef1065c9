"""Augmentation and degradation of training signals."""
