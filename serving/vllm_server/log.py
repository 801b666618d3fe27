"""Parse vLLM's log: the progress of a start, and the cause of a failure."""

import re
from dataclasses import dataclass

_PREFIX = re.compile(r"^(?:\(\S+(?: pid=\d+)?\) )?(?:(?:INFO|WARNING|ERROR|DEBUG) [\d-]+ [\d:]+ \[[^\]]*\] )?")
_KV_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_STAGES = (
    # (pattern of a line, what vLLM does from there on)
    (re.compile(r"Initializing a V1 LLM engine"), "starting the engine"),
    (re.compile(r"Starting to load model"), "loading the weights"),
    (re.compile(r"Loading safetensors checkpoint shards: +(\d+)%"), "loading the weights, {}%"),
    (re.compile(r"Loading weights took"), "preparing the model"),
    (re.compile(r"Warming up model|torch\.compile|Compiling a graph"), "compiling"),
    (re.compile(r"Capturing CUDA graphs"), "capturing CUDA graphs"),
    (_KV_TOKENS, "a K/V cache of {} tokens"),
    (re.compile(r"Application startup complete"), "ready"),
)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|OutOfMemory|No available memory for the cache blocks|larger than the available KV cache memory"
    r"|is less than (?:desired|requested)|Cannot allocate memory|DefaultCPUAllocator",
    re.IGNORECASE,
)
_RAISED = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*(?:Error|Exception|Interrupt)): (.+)")
_PORT = re.compile(r"address already in use", re.IGNORECASE)
# Errors that are the consequence of another error.
_CONSEQUENCE = re.compile(
    r"Engine core initialization failed|WorkerProc initialization failed|See root cause|See stack trace"
    r"|died unexpectedly|EngineDeadError|EngineCore encountered an issue"
)
_ENGINE_LINE = re.compile(r"^\((?:EngineCore|Worker)\S*(?: pid=\d+)?\) ")
_ALLOCATOR = re.compile(r"DefaultCPUAllocator: .*you tried to allocate (\d+) bytes")
_STOPPED = re.compile(r"Application shutdown complete|Received signal|SIGTERM")


def stage(line: str) -> str | None:
    """What vLLM is doing according to this line; None if the line does not say."""
    for pattern, what in _STAGES:
        if match := pattern.search(line):
            return what.format(*match.groups())
    return None


def longread_line(line: str) -> str | None:
    """The attention that our plug-in reports in this line; None for another line."""
    _, found, text = line.partition("longread: ")
    return text.strip() if found and "Dual Chunk Attention" in text else None


def kv_tokens(line: str) -> int | None:
    """The size of the K/V cache according to this line; None for another line."""
    match = _KV_TOKENS.search(line)
    return int(match[1].replace(",", "")) if match else None


@dataclass(frozen=True)
class Cause:
    """Why a server exited."""

    text: str
    memory: bool = False
    """Whether the cause is lack of memory."""


KILLED = Cause("it was killed, as happens when main memory runs out", memory=True)
_ENGINE_KILLED = Cause("one of its processes was killed, as happens when main memory runs out", memory=True)


def cause(lines: list[str]) -> Cause:
    """Why a start failed: the first error in the log that is not the consequence of another."""
    if found := _error(lines):
        return found
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return Cause(_PREFIX.sub("", last))


def exit_cause(lines: list[str]) -> Cause:
    """Why a server that had been ready exited."""
    end = next((index for index, line in enumerate(lines) if _CONSEQUENCE.search(line)), None)
    if end is not None:
        # Earlier errors of the API server concern single requests.
        return _error([line for line in lines[:end] if _ENGINE_LINE.match(line)]) or _ENGINE_KILLED
    return Cause("it was told to end") if any(map(_STOPPED.search, lines)) else KILLED


def _error(lines: list[str]) -> Cause | None:
    raised: list[str] = []
    for line in lines:
        text = _PREFIX.sub("", line.strip()).strip()
        match = _RAISED.match(text)
        if match and not _CONSEQUENCE.search(text):
            raised.append(match[2] if match[1] in ("ValueError", "RuntimeError") else f"{match[1]}: {match[2]}")
    for text in raised:
        if _OUT_OF_MEMORY.search(text):
            asked = _ALLOCATOR.search(text)
            size = f"main memory ran out: {int(asked[1]) / 2**30:.1f} GiB more could not be had" if asked else text
            return Cause(size, memory=True)
    if raised:
        # pydantic writes the reason on the line below its own.
        below = next((line for line in lines if line.strip().startswith("Value error, ")), None)
        return Cause(below.strip().removeprefix("Value error, ") if below else raised[0])
    for line in lines:
        if _OUT_OF_MEMORY.search(line) or _PORT.search(line):
            return Cause(_PREFIX.sub("", line.strip()), memory=bool(_OUT_OF_MEMORY.search(line)))
    return _ENGINE_KILLED if any(map(_CONSEQUENCE.search, lines)) else None
