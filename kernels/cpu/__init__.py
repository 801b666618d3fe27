"""The kernels for CPUs, made of torch's own flash attention and matrix products."""
