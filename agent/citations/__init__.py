"""Citation markers and quotes: found in an answer, and checked against the pages."""
