"""What the model may call. Knows documents, not models."""
