"""Chunks of equal time for pipeline parallelism: the cost model and the chunker. Pure Python."""
