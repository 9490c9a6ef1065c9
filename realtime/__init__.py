"""Live recognition: messages, clock, sources, blocks, pipeline, runners, sinks, commands."""
