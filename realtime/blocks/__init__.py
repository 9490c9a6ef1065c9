"""Blocks of the pipeline: messages in, messages out; no thread, no clock, no device."""
