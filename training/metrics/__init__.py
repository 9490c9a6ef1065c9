"""Metrics: classification figures, calibration, bootstrap intervals, significance."""
