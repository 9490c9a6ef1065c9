"""Everything live: messages, clock, sources, blocks, pipeline, runners, sinks, commands."""
