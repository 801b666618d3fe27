"""What vLLM's log says: how far a start has come, and why one failed."""

import re
from dataclasses import dataclass

_PREFIX = re.compile(r"^(?:\(\S+(?: pid=\d+)?\) )?(?:(?:INFO|WARNING|ERROR|DEBUG) [\d-]+ [\d:]+ \[[^\]]*\] )?")
_KV_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_STAGES = (
    # (what a line has, what is happening from there on)
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
# What is raised because something else was.
_CONSEQUENCE = re.compile(r"Engine core initialization failed|WorkerProc initialization failed|See root cause")


def stage(line: str) -> str | None:
    """What vLLM is doing, if this line says."""
    for pattern, what in _STAGES:
        if match := pattern.search(line):
            return what.format(*match.groups())
    return None


def longread_line(line: str) -> str | None:
    """What our plug-in said that it runs, if this line is that."""
    _, found, text = line.partition("longread: ")
    return text.strip() if found and "Dual Chunk Attention" in text else None


def kv_tokens(line: str) -> int | None:
    match = _KV_TOKENS.search(line)
    return int(match[1].replace(",", "")) if match else None


@dataclass(frozen=True)
class Cause:
    """Why a server ended."""

    text: str
    memory: bool = False
    """Whether it ran out of memory."""


def cause(lines: list[str]) -> Cause:
    """The first error in a log that is not the consequence of another."""
    raised: list[str] = []
    for line in lines:
        text = _PREFIX.sub("", line.strip()).strip()
        match = _RAISED.match(text)
        if match and not _CONSEQUENCE.search(text):
            raised.append(match[2] if match[1] in ("ValueError", "RuntimeError") else f"{match[1]}: {match[2]}")
    for text in raised:
        if _OUT_OF_MEMORY.search(text):
            return Cause(text, memory=True)
    if raised:
        # pydantic puts what was wrong a line below its own.
        below = next((line for line in lines if line.strip().startswith("Value error, ")), None)
        return Cause(below.strip().removeprefix("Value error, ") if below else raised[0])
    for line in lines:
        if _OUT_OF_MEMORY.search(line) or _PORT.search(line):
            return Cause(_PREFIX.sub("", line.strip()), memory=bool(_OUT_OF_MEMORY.search(line)))
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return Cause(_PREFIX.sub("", last))
