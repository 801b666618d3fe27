"""CPU time of `agent ask` until its first request, and what it imports: `python -m benchmarks.agent.startup`.

The server is scripted and ready, and the document is in the cache: only the start-up of the program is left. The server
reads the CPU time of the program when the chat request arrives. No parser process is started.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import psutil

from benchmarks import report
from tests.support.scripted_server import Reply, Request, ScriptedServer

HANDBOOK = Path(__file__).parents[2] / "examples" / "handbook.pdf"
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| *([\w.]+)")
SHOWN = 10


def ask(server: ScriptedServer, folder: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "longread", "ask", "How many bytes does a token take?", "--file", str(HANDBOOK)]
    return subprocess.run(
        [sys.executable, *flags, *command, "--server", server.url],
        env={**os.environ, "LONGREAD_CACHE_DIR": folder, "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
        capture_output=True,
        text=True,
    )


def imports(log: str) -> tuple[dict[str, float], Counter[str]]:
    """The seconds and the number of imported modules of each top-level package, from the log of `-X importtime`."""
    seconds: dict[str, float] = defaultdict(float)
    modules: Counter[str] = Counter()
    for own, module in IMPORT.findall(log):
        package = module.partition(".")[0]
        seconds[package] += int(own) / 1e6
        modules[package] += 1
    return dict(sorted(seconds.items(), key=lambda item: -item[1])), modules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    times: list[float] = []

    def answer(_: Request) -> Reply:
        (asking,) = psutil.Process().children()
        cpu = asking.cpu_times()
        times.append(cpu.user + cpu.system)
        return Reply.text("57,344 [handbook:1].")

    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        server.default = answer
        ask(server, folder)  # fills the caches: the document's, Python's and the disk's
        times.clear()
        for _ in range(options.runs):
            ask(server, folder)
        runs = list(times)
        seconds, modules = imports(ask(server, folder, "-X", "importtime").stderr)
    print(
        f"CPU until the first request: median {statistics.median(runs):.2f} s of {len(runs)} runs "
        f"({min(runs):.2f} to {max(runs):.2f} s)\n"
    )
    rows = [(name, f"{cost:.3f}", str(modules[name])) for name, cost in list(seconds.items())[:SHOWN]]
    rows.append(("all", f"{sum(seconds.values()):.3f}", str(modules.total())))
    print(report.table(("imported package", "seconds", "modules"), rows))
    results = {
        "machine": report.machine("qwen-agent", "openai", "pydantic", "typer"),
        "cpu_seconds": runs,
        "imports": [
            {"package": name, "seconds": round(cost, 4), "modules": modules[name]} for name, cost in seconds.items()
        ],
    }
    print(f"\n{report.keep('startup', results)}")


if __name__ == "__main__":
    main()
