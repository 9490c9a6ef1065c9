"""Model cards: format, page, training-set fingerprints."""
