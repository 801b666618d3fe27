"""Benchmarks of the embedded engine and of vLLM servers: latency and memory."""
