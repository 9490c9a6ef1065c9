"""The recognizer's parts as plain objects: messages in, messages out; no thread, clock or device."""
