"""Benchmarks of the reader: parsing, prompts, quotes, servers."""
