"""What the kernels refuse."""


class KernelError(ValueError):
    """Arguments that no kernel can compute with. The message names the argument and what it should be."""
