"""Documents, conversation and instructions as one prompt of exact size."""
