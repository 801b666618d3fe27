"""Counters of ours on the server's /metrics: how prompts were read, and what sparse attention left out.

Attention runs in the processes of the workers; another answers /metrics. So each worker keeps its numbers in a file
that is mapped into its memory, in a folder that the first process names in its environment and its children inherit,
and the first process adds the files up when it is asked. A server that runs no model of ours makes no folder, and shows
nothing.
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

from .names import LOGGER, METRICS_FOLDER

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
        path: of a new file; None keeps them to itself.
    """

    def __init__(self, path: Path | None):
        self._numbers = np.zeros(_NUMBERS)
        if path is not None:
            path.write_bytes(self._numbers.tobytes())  # now, since a full disk met in a map kills the process
            self._numbers = np.memmap(path, dtype=np.float64, mode="r+")

    def chunk(self, tokens: int, *, sparse: bool) -> None:
        """So many tokens of a prompt were read in one step."""
        self._numbers[_SPARSE if sparse else _DENSE] += tokens
        self._numbers[_BUCKETS + bisect_left(CHUNKS, tokens)] += 1

    def observed(self, recall: float, keys: float) -> None:
        """What a layer's sparse attention kept of the probability, and of the keys."""
        self._numbers[[_RECALL, _KEYS, _OBSERVED]] += recall, keys, 1


@cache
def counters() -> Counters:
    """Those of this process, in the folder that the server looks into."""
    show()  # where nobody has, which is a worker on another machine: the folder is then looked into by no one
    folder = Path(os.environ[METRICS_FOLDER])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Counters(folder / f"{os.getpid()}-{secrets.token_hex(4)}")
    except OSError as error:
        _log.warning("longread: /metrics will not have our counters: %s: %s", folder, error.strerror)
        return Counters(None)


class Collector:
    """The sum over the workers, for prometheus_client."""

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
    """Put our counters on /metrics, if this is the process that answers it: the first that comes here."""
    if METRICS_FOLDER in os.environ:
        return
    from prometheus_client import REGISTRY

    folder = os.environ[METRICS_FOLDER] = _name()
    REGISTRY.register(Collector(Path(folder)))
    atexit.register(_remove, folder, os.getpid())


def _name() -> str:
    return os.path.join(tempfile.gettempdir(), f"longread-metrics-{secrets.token_hex(8)}")


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a fork has our atexit, too
        shutil.rmtree(folder, ignore_errors=True)
