"""Datasets, splits, recipes, training, evaluation and export."""
