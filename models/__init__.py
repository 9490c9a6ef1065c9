"""Labels, features, inference wrappers, engines and the store of downloaded models."""
