"""The same attention on a CPU, from torch's own flash attention and matrix products."""
