"""longread's counters on the server's /metrics: how prompts were read, and the recall of sparse attention.

Attention runs in worker processes; another process answers /metrics. So each worker keeps its numbers in a
memory-mapped file, in a folder that the first process names in its environment and its children inherit, and the first
process adds the files up on request. A server without a model for longread makes no folder, and shows no counters.
"""

import atexit
import contextlib
import logging
import os
import secrets
import shutil
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .constants import LOGGER, METRICS_FOLDER

if TYPE_CHECKING:
    from prometheus_client import Metric

_log = logging.getLogger(LOGGER)
CHUNKS = tuple(128 << power for power in range(11))
"""Upper bounds of the histogram of chunk sizes, in tokens: 128 to 131,072."""
_DENSE, _SPARSE, _RECALL, _KEYS, _OBSERVED, _BUCKETS = range(6)
_NUMBERS = _BUCKETS + len(CHUNKS) + 1


class Counters:
    """The numbers of one worker.

    Args:
        path: a new file to keep them in; None keeps them in memory.
    """

    def __init__(self, path: Path | None):
        self._numbers = np.zeros(_NUMBERS)
        if path is not None:
            path.write_bytes(self._numbers.tobytes())  # now: a full disk would kill the process on writing to the map
            self._numbers = np.memmap(path, dtype=np.float64, mode="r+")

    def chunk(self, tokens: int, *, sparse: bool) -> None:
        """Count a chunk: tokens of one prompt that were read in one step."""
        self._numbers[_SPARSE if sparse else _DENSE] += tokens
        self._numbers[_BUCKETS + bisect_left(CHUNKS, tokens)] += 1

    def observe(self, recall: float, density: float) -> None:
        """Record the recall of a layer's sparse attention, and the fraction of keys that it computed."""
        self._numbers[[_RECALL, _KEYS, _OBSERVED]] += recall, density, 1


@cache
def counters() -> Counters:
    """The counters of this process, in the folder that the server reads."""
    show()  # in a worker on another machine, where no parent has named a folder, and nobody will read this one
    folder = Path(os.environ[METRICS_FOLDER])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Counters(folder / f"{os.getpid()}-{secrets.token_hex(4)}")
    except OSError as error:
        _log.warning("longread: /metrics will not have the counters of longread: %s: %s", folder, error.strerror)
        return Counters(None)


class Collector:
    """The sum of the workers' counters, for prometheus_client."""

    def __init__(self, folder: Path):
        self._folder = folder

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, SummaryMetricFamily

        numbers = []
        for path in self._folder.glob("*"):
            with contextlib.suppress(OSError):  # the server is ending
                numbers.append(np.fromfile(path))
        whole = [row for row in numbers if len(row) == _NUMBERS]
        if not whole:
            return
        total = np.sum(whole, axis=0).tolist()
        tokens = CounterMetricFamily(
            "longread_prefill_tokens", "Prompt tokens computed, by the attention that read them.", labels=["attention"]
        )
        tokens.add_metric(["dense"], total[_DENSE])
        tokens.add_metric(["sparse"], total[_SPARSE])
        yield tokens
        seen = np.cumsum(total[_BUCKETS:]).tolist()
        bounds = [*map(str, CHUNKS), "+Inf"]
        yield HistogramMetricFamily(
            "longread_prefill_chunk_tokens",
            "Tokens of one prompt computed in one step.",
            buckets=list(zip(bounds, seen, strict=True)),
            sum_value=total[_DENSE] + total[_SPARSE],
        )
        for name, place, what in (
            ("longread_sparse_recall", _RECALL, "Share of the attention probability that sparse prefill kept"),
            ("longread_sparse_keys", _KEYS, "Share of the keys that sparse prefill computed"),
        ):
            yield SummaryMetricFamily(
                name,
                f"{what}, of a sparse chunk's last queries in one layer, another each step.",
                count_value=total[_OBSERVED],
                sum_value=total[place],
            )


def show() -> None:
    """Add the counters to /metrics in the process that answers it, which is the first one to call this."""
    if METRICS_FOLDER in os.environ:
        return
    from prometheus_client import REGISTRY

    folder = os.environ[METRICS_FOLDER] = _name()
    REGISTRY.register(Collector(Path(folder)))
    atexit.register(_remove, folder, os.getpid())


def _name() -> str:
    return os.path.join(tempfile.gettempdir(), f"longread-metrics-{secrets.token_hex(8)}")


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits the atexit handler
        shutil.rmtree(folder, ignore_errors=True)
