"""Cache and download of model files, checked by sha256."""
