"""The recognizer's parts: messages in, messages out; no thread, no clock, no device."""
