"""The progress of a prefill on a vLLM server, from its metrics: its responses do not report it."""

import re
import time

import httpx

from .openai_server import Server

_PAUSE_SECONDS = 1.0
_CALL_SECONDS = 2.0
_USAGE = re.compile(r"^vllm:kv_cache_usage_perc\{[^}]*\} (\S+)", re.MULTILINE)
_RUNNING = re.compile(r"^vllm:num_requests_running\{[^}]*\} (\S+)", re.MULTILINE)
_BLOCK = re.compile(r'^vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"[^}]*\bnum_gpu_blocks="(\d+)"', re.MULTILINE)


class PrefillProgress:
    """The tokens in the K/V cache of a server that runs a single request.

    The used fraction of the K/V cache grows chunk by chunk while a prompt is processed. If several requests run,
    nothing is known about each of them. A server without these metrics is queried only once.
    """

    def __init__(self, server: Server):
        self._url = f"{server.root}/metrics"
        self._socket = server.socket
        self._next = 0.0
        self._read: int | None = None
        self._silent = False

    def poll(self) -> int | None:
        """Tokens processed so far; None if unknown. Queries at most once a second, and waits at most two."""
        now = time.monotonic()
        if self._silent or now < self._next:
            return self._read
        self._read = self._ask()
        self._next = time.monotonic() + _PAUSE_SECONDS
        return self._read

    def _ask(self) -> int | None:
        transport = httpx.HTTPTransport(uds=self._socket) if self._socket else None
        try:
            with httpx.Client(transport=transport, timeout=_CALL_SECONDS) as client:
                answer = client.get(self._url)
        except httpx.HTTPError:
            return None
        read = tokens_in_use(answer.text) if answer.status_code == 200 else None
        self._silent = answer.status_code != 200 or not _USAGE.search(answer.text)
        return read


def tokens_in_use(metrics: str) -> int | None:
    """The tokens of the only running request, from the text of vLLM's /metrics; None if there is not exactly one."""
    usage, running, block = _USAGE.findall(metrics), _RUNNING.findall(metrics), _BLOCK.search(metrics)
    if len(usage) != 1 or len(running) != 1 or block is None or float(running[0]) != 1:
        return None
    return round(float(usage[0]) * int(block[2])) * int(block[1])
