"""Training and comparing the field's encoders and fusions on one corpus at a time."""
