"""What several test files share: servers that answer by script, corpora, small models."""
