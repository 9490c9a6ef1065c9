"""Preparations: a signal to the arrays that a network inputs, the same in training and live."""
