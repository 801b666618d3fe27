"""Options of a vLLM server, for `agent serve`, `agent plan` and `launch`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from longread.errors import PlanError

from ..planning.gpus import Gpus

DEFAULT_PORT = 8000


@dataclass(frozen=True)
class Chunking:
    """How long prompts are split into chunks for pipeline stages.

    Args:
        size: tokens of every chunk; None for chunks of equal time, of which `Options.chunk` is the largest.
    """

    size: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "equal-time" or "fixed:2048".

        Raises:
            PlanError: the text is neither.
        """
        if text == "equal-time":
            return cls()
        kind, _, size = text.partition(":")
        if kind != "fixed" or not size.isdecimal() or not int(size):
            raise PlanError(
                f"{text!r} is not a chunking mode. Write equal-time, or fixed:2048 for chunks of 2,048 tokens."
            )
        return cls(int(size))


@dataclass(frozen=True)
class Options:
    """How to serve a model.

    Args:
        tokens: prompt and answer together; by default the model's window, or the longest that fits.
        gpus: by default the GPUs of this machine, or its CPU if it has none.
        chunk: the most tokens that are prefilled at once; by default the largest chunk that fits.
        fp8_weights, fp8_kv: store the weights or the K/V cache in 8 bits.
        sparse: sparse or dense prefill; None for the checkpoint's default.
        port: by default 8000 if it is free, or else any free port.
        api_key: the key that clients must send.
        kv_disk: a folder for the K/V of prompts, which outlives the server.
        kv_disk_gib: the size limit of that folder; by default four prompts of the full length.
        kv_memory_gib: main memory between GPU and disk.
        timeout: seconds that the server has to start.
        extra: further arguments of vLLM's server.
        tp, pp: sizes of tensor and pipeline parallelism; None for the best.
        chunking: how prompts are split for pipeline stages.
    """

    tokens: int | None = None
    gpus: Gpus | None = None
    chunk: int | None = None
    fp8_weights: bool = False
    fp8_kv: bool = False
    sparse: bool | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    api_key: str | None = field(default=None, repr=False)
    kv_disk: Path | None = None
    kv_disk_gib: float | None = None
    kv_memory_gib: float = 4.0
    timeout: float = 1800.0
    extra: tuple[str, ...] = ()
    tp: int | None = None
    pp: int | None = None
    chunking: Chunking = field(default_factory=Chunking)
