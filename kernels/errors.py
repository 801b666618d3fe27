"""The error of the kernels."""


class KernelError(ValueError):
    """Arguments that no kernel can compute with. The message names the argument, its value and what it should be."""
