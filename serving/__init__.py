"""Run models: embedded in this process, or as a vLLM server.

from longread.serving import Engine, Gpus, Options, launch, plan_for, stop
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .embedded.engine import Engine
    from .planning.gpus import Gpus
    from .planning.planner import Plan
    from .vllm_server.launch import launch, plan_for
    from .vllm_server.options import Chunking, Options
    from .vllm_server.registry import RunningServer, running_servers, stop

# Imported on first use: `launch` works without torch, and a vLLM process that loads the plug-in needs none of these.
_MODULES = {
    "Chunking": "vllm_server.options",
    "Engine": "embedded.engine",
    "Gpus": "planning.gpus",
    "Options": "vllm_server.options",
    "Plan": "planning.planner",
    "RunningServer": "vllm_server.registry",
    "launch": "vllm_server.launch",
    "plan_for": "vllm_server.launch",
    "running_servers": "vllm_server.registry",
    "stop": "vllm_server.registry",
}

__all__ = [
    "Chunking",
    "Engine",
    "Gpus",
    "Options",
    "Plan",
    "RunningServer",
    "launch",
    "plan_for",
    "running_servers",
    "stop",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
