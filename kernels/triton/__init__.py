"""The same attention on a GPU, in Triton. Only the modules in here import triton."""
