"""The kernels for GPUs, in Triton. Only the modules in here import triton."""
