"""The mathematics of long-context attention. Imports torch and triton only.

`ops` is the door to the kernels, `dca.DCASpec` says what they compute, and `patch` puts them into a model of
transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .adaptive import Adaptive
    from .budgets import Budgets
    from .dca import DCASpec
    from .errors import KernelError
    from .ops import attend, dca_decode, dca_prefill, dca_write
    from .paged import Batch, PagedKV
    from .patching import patch
    from .selection import Sparsity

_HOMES = {
    "Adaptive": "adaptive",
    "Batch": "paged",
    "Budgets": "budgets",
    "DCASpec": "dca",
    "KernelError": "errors",
    "PagedKV": "paged",
    "Sparsity": "selection",
    "attend": "ops",
    "dca_decode": "ops",
    "dca_prefill": "ops",
    "dca_write": "ops",
    "patch": "patching",
}

__all__ = [
    "Adaptive",
    "Batch",
    "Budgets",
    "DCASpec",
    "KernelError",
    "PagedKV",
    "Sparsity",
    "attend",
    "dca_decode",
    "dca_prefill",
    "dca_write",
    "patch",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
