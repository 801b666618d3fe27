"""Benchmarks of attention with the default model on a CPU: speed, recall, perplexity and answers."""
