"""Sparse attention: the selection of the keys that each head attends to."""
