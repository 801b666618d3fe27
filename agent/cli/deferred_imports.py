"""Defer imports that commands do not use.

Qwen-Agent imports the client libraries of all services that it knows. dashscope alone, with its dependencies, costs a
third of a second of CPU time before `agent ask` can send its first request.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

_UNUSED = ("dashscope",)


def defer_unused() -> None:
    """Load these libraries only when an attribute of theirs is used. Call it before Qwen-Agent is imported."""
    for name in _UNUSED:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            module.__class__ = _Deferred


class _Deferred(ModuleType):
    """Executes the module at the first use of a name in it.

    `importlib.util.LazyLoader` does so too early: before Python 3.12, an import statement counts as a use.
    """

    def __getattr__(self, name: str) -> Any:
        object.__setattr__(self, "__class__", ModuleType)
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)
