"""Gain and harm of the person's baseline."""
