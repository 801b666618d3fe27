"""Benchmarks of the Triton kernels on one GPU: python -m benchmarks.gpu.run"""
