"""Register longread's chat models with Qwen-Agent, without importing it.

With `import longread`, `{"model_type": "longread-endpoint", …}` must work wherever Qwen-Agent takes the configuration
of a model. Qwen-Agent has no entry points for model types, and importing it to fill its registry would add seconds to
every `import longread`. Instead an import hook registers the model types as soon as Qwen-Agent is imported; if it has
been imported already, that happens at once. The models themselves are imported when one is made.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec

_REGISTRY_MODULE = "qwen_agent.llm.base"
_MODELS = {"longread-endpoint": ("endpoint", "EndpointChat"), "longread-embedded": ("embedded", "EmbeddedChat")}
"""Model type to module and class."""


def register() -> None:
    """Register the model types now, or as soon as Qwen-Agent is imported."""
    if _REGISTRY_MODULE in sys.modules:
        _fill(import_module(_REGISTRY_MODULE))  # waits if another thread is importing it
    else:
        sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]  # a finder by its methods


def _fill(module: ModuleType) -> None:
    for model_type, (home, name) in _MODELS.items():
        module.LLM_REGISTRY.setdefault(model_type, _deferred(home, name))


def _deferred(home: str, name: str) -> Callable[[dict[str, Any]], Any]:
    """Stands for a class in the registry until the class is imported, which replaces it."""

    def make(cfg: dict[str, Any]) -> Any:
        return getattr(import_module(f".{home}", __package__), name)(cfg)

    return make


class _Finder:
    """Finds that one module as the other finders do, but with a loader that calls `_fill` at the end."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        if fullname != _REGISTRY_MODULE:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, loader: "Loader"):
        self._loader = loader

    def create_module(self, spec: "ModuleSpec") -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _fill(module)

    def __getattr__(self, name: str) -> Any:  # get_source and the like, for tracebacks and debuggers
        return getattr(self._loader, name)
