"""Examples: mmer inside other frameworks."""
