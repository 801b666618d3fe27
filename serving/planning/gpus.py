"""GPU specifications such as 4xH100-80."""

import re
from dataclasses import dataclass
from typing import Self

from longread.errors import PlanError

GIB = 1 << 30
_CPU = "CPU"

_MEMORY = {
    "H100": 80, "H800": 80, "H200": 141, "H20": 96, "B200": 180, "A100": 80, "A800": 80, "A40": 48, "A10": 24,
    "L40S": 48, "L40": 48, "L4": 24, "RTX4090": 24, "RTX5090": 32, "RTX3090": 24, "A6000": 48,
}  # fmt: skip
_NO_FP8 = ("A100", "A800", "A40", "A10", "A6000", "RTX3090", "V100", "T4")
"""GPUs without 8-bit floating point, which came with Ada and Hopper."""
_GPUS = re.compile(r"(?:(?:(\d+)x)?(\d+)x)?([A-Za-z][A-Za-z0-9]*)(?:-(\d+)(?:GB|gb)?)?")


@dataclass(frozen=True)
class Gpus:
    """The GPUs to run on, or a CPU."""

    name: str
    memory: int
    """GiB of each."""
    count: int
    """In a node."""
    nodes: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "4xH100-80": count, name, and GiB if the name does not imply it. "2x8xH100" is two nodes of eight.

        Raises:
            PlanError: another form, or a GPU whose memory size is unknown.
        """
        match = _GPUS.fullmatch(text.strip().replace("*", "x").replace(" ", ""))
        if match is None:
            raise PlanError(f"{text!r} does not name GPUs. Write 4xH100-80, or 2x8xH100-80 for two nodes of eight.")
        nodes, count, name, memory = match.groups()
        known = _MEMORY.get(name.upper())
        if not memory and not known:
            raise PlanError(f"The memory size of {name} is unknown. Add it in GiB, as in {name}-24.")
        gpus = cls(name, int(memory or known or 0), int(count or 1), int(nodes or 1))
        if not gpus.total or not gpus.memory:
            raise PlanError(f"{text!r} has 0 GPUs or 0 GiB of memory. Write 4xH100-80, for example.")
        return gpus

    @classmethod
    def cpu(cls, memory: int, stages: int = 1) -> Self:
        """A machine without a GPU. Args: memory: free bytes, shared by the pipeline stages."""
        return cls(_CPU, max(1, memory // GIB // stages), stages)

    @property
    def total(self) -> int:
        """GPUs of all nodes together."""
        return self.count * self.nodes

    @property
    def is_cpu(self) -> bool:
        """Whether this is a CPU and its main memory."""
        return self.name == _CPU

    @property
    def fp8(self) -> bool:
        """Whether the hardware computes with 8-bit floats."""
        return not self.is_cpu and self.name.upper() not in _NO_FP8

    def __str__(self) -> str:
        if self.is_cpu:
            parts = f", for each of {self.count} stages" if self.count > 1 else ""
            return f"a CPU with {self.memory} GiB free{parts}"
        nodes = f"{self.nodes} nodes of " if self.nodes > 1 else ""
        return f"{nodes}{self.count} × {self.name} with {self.memory} GiB"
