"""Automatic speech recognition: one interface, a registry of engines, one module an engine."""
