"""How far a vLLM server has read a prompt: it does not say so in its answer, but its metrics do."""

import re
import time

import httpx

from .server import Server

_PAUSE_SECONDS = 1.0
_CALL_SECONDS = 2.0
_USAGE = re.compile(r"^vllm:kv_cache_usage_perc\{[^}]*\} (\S+)", re.MULTILINE)
_RUNNING = re.compile(r"^vllm:num_requests_running\{[^}]*\} (\S+)", re.MULTILINE)
_BLOCK = re.compile(r'^vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"[^}]*\bnum_gpu_blocks="(\d+)"', re.MULTILINE)


class ReadingMeter:
    """Tokens of K/V that a server holds for the one request it is running.

    The share of its K/V cache that is in use grows chunk by chunk while a prompt is read. Where several requests run,
    nothing can be said of one of them. A server that has no such metrics is asked once.
    """

    def __init__(self, server: Server):
        self._url = f"{server.root}/metrics"
        self._socket = server.socket
        self._next = 0.0
        self._read: int | None = None
        self._silent = False

    def poll(self) -> int | None:
        """Tokens read so far; None if that is not known. Asks once a second at most, and waits two at most."""
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
    """What one running request holds, from the text of vLLM's /metrics; None where there is not just one."""
    usage, running, block = _USAGE.findall(metrics), _RUNNING.findall(metrics), _BLOCK.search(metrics)
    if len(usage) != 1 or len(running) != 1 or block is None or float(running[0]) != 1:
        return None
    return round(float(usage[0]) * int(block[2])) * int(block[1])
