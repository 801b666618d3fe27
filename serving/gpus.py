"""What there is to run on, and how users write it."""

import re
from dataclasses import dataclass
from typing import Self

from .errors import LongreadError

GIB = 1 << 30
_CPU = "CPU"

_MEMORY = {
    "H100": 80, "H800": 80, "H200": 141, "H20": 96, "B200": 180, "A100": 80, "A800": 80, "A40": 48, "A10": 24,
    "L40S": 48, "L40": 48, "L4": 24, "RTX4090": 24, "RTX5090": 32, "RTX3090": 24, "A6000": 48,
}  # fmt: skip
_NO_FP8 = ("A100", "A800", "A40", "A10", "A6000", "RTX3090", "V100", "T4")
"""Without 8-bit floating point: that came with Ada and Hopper."""
_GPUS = re.compile(r"(?:(?:(\d+)x)?(\d+)x)?([A-Za-z][A-Za-z0-9]*)(?:-(\d+)(?:GB|gb)?)?")


class Unplannable(LongreadError):
    """A question to the planner that has no meaning: an unknown GPU, a length beyond the model's window."""

    exit_code = 2


@dataclass(frozen=True)
class Gpus:
    """What there is to run on."""

    name: str
    memory: int
    """GiB of each."""
    count: int
    """In a node."""
    nodes: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "4xH100-80": count, name, and gigabytes where the name does not say; "2x8xH100" is two nodes of eight.

        Raises:
            Unplannable: not of that form, or a GPU whose memory is not known.
        """
        match = _GPUS.fullmatch(text.strip().replace("*", "x").replace(" ", ""))
        if match is None:
            raise Unplannable(f"{text!r} names no GPUs: write 4xH100-80, or 2x8xH100-80 for two nodes of eight")
        nodes, count, name, memory = match.groups()
        known = _MEMORY.get(name.upper())
        if not memory and not known:
            raise Unplannable(f"the memory of a {name} is not known here: write it in gigabytes, as {name}-24")
        found = cls(name, int(memory or known or 0), int(count or 1), int(nodes or 1))
        if not found.total or not found.memory:
            raise Unplannable(f"{text!r} has no GPU, or one without memory")
        return found

    @classmethod
    def cpu(cls, memory: int, stages: int = 1) -> Self:
        """A machine without a GPU, of so many bytes of free memory, which stages of a pipeline share."""
        return cls(_CPU, max(1, memory // GIB // stages), stages)

    @property
    def total(self) -> int:
        return self.count * self.nodes

    @property
    def is_cpu(self) -> bool:
        return self.name == _CPU

    @property
    def fp8(self) -> bool:
        return not self.is_cpu and self.name.upper() not in _NO_FP8

    def __str__(self) -> str:
        if self.is_cpu:
            parts = f", for each of {self.count} stages" if self.count > 1 else ""
            return f"a CPU with {self.memory} GiB free{parts}"
        nodes = f"{self.nodes} nodes of " if self.nodes > 1 else ""
        return f"{nodes}{self.count} × {self.name} with {self.memory} GiB"
