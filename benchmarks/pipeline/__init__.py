"""Benchmarks of chunk sizes in pipelines, simulated and real."""
