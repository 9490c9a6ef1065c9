"""Training recipes, one TOML file a model."""
