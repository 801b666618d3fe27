"""Attention kernels for long contexts. They import torch and triton only.

`ops` is the entry point, `dca.DCASpec` defines what the kernels compute, and `patch` puts them into a model of
transformers. All names below are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dca import DCASpec
    from .errors import KernelError
    from .ops import attend, dca_decode, dca_prefill, dca_write
    from .paged_kv import Batch, PagedKV
    from .sparse.adaptive import Adaptive
    from .sparse.budgets import Budgets
    from .sparse.vertical_slash import VerticalSlash
    from .transformers_patch import patch

_MODULES = {
    "Adaptive": "sparse.adaptive",
    "Batch": "paged_kv",
    "Budgets": "sparse.budgets",
    "DCASpec": "dca",
    "KernelError": "errors",
    "PagedKV": "paged_kv",
    "VerticalSlash": "sparse.vertical_slash",
    "attend": "ops",
    "dca_decode": "ops",
    "dca_prefill": "ops",
    "dca_write": "ops",
    "patch": "transformers_patch",
}

__all__ = [
    "Adaptive",
    "Batch",
    "Budgets",
    "DCASpec",
    "KernelError",
    "PagedKV",
    "VerticalSlash",
    "attend",
    "dca_decode",
    "dca_prefill",
    "dca_write",
    "patch",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
