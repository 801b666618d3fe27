"""Accuracy, speed and memory of the kernels on one Hopper GPU. A run takes less than ten minutes.

    python -m benchmarks.gpu.run [--only SECTION,...] [--minutes 9] [--out DIR] [--tiny]

It needs torch, triton, transformers and psutil, and no network. Where longread is not installed, set PYTHONPATH=src.
Each section runs in a process of its own, so that a crash or a lack of memory does not affect the others, and has a
share of the time, which grows if earlier sections need less. Every row is written to the results at once. Targets are
printed beside the figures, and not enforced. If a section fails, the others continue, and the exit status is 1.

Without a GPU, `TRITON_INTERPRET=1 python -m benchmarks.gpu.run --tiny` tries the script in Triton's interpreter. Its
errors are real, but its times are meaningless: the results say "interpreted".
"""

import argparse
import multiprocessing
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from benchmarks import report
from benchmarks.gpu import attention, errors, model
from benchmarks.gpu.setting import INTERPRETED, Row, Setting, last_line

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
GRACE = 5.0
"""Seconds that a section may exceed its share before it is stopped."""
LEAST = 1.0
"""The least seconds to start a section."""


@dataclass(frozen=True)
class Section:
    work: Callable[[Setting], Iterator[Row]]
    share: float
    """The share of the time, relative to the remaining sections."""
    target: str = ""
    parts: int = 1
    """Processes that share the work."""
    shown: Callable[[list[Row]], list[Row]] = list


SECTIONS = {
    "ceilings": Section(attention.ceilings, 2),
    # Compiling takes most of the time, which takes no GPU.
    "errors": Section(
        errors.errors,
        8,
        "relative error < 1e-2; of fp8 written, its own rounding, < 4e-2",
        min(CORES, 16),
        errors.worst,
    ),
    "dense": Section(attention.dense, 5, "at least 450 TFLOP/s"),
    "sparse": Section(attention.sparse, 7, "all stages at least 30 times as fast as flash at 1M tokens"),
    "prompt": Section(attention.prompt, 6, "at least 30 times as fast as flash at 1M tokens"),
    "decode": Section(attention.decode, 4, "at least 80% of the copy's GB/s"),
    "memory": Section(attention.memory, 2),
    "model": Section(model.model, 14),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all sections; default 9")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="the folder of the results")
    parser.add_argument("--tiny", action="store_true", help="shapes for the interpreter")
    asked = parser.parse_args()
    chosen = asked.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}")
    if INTERPRETED and not asked.tiny:
        parser.error("the interpreter is too slow for anything but --tiny")
    if not INTERPRETED and not torch.cuda.is_available():
        parser.error("torch finds no GPU; TRITON_INTERPRET=1 and --tiny try this without one")

    end = time.monotonic() + 60 * asked.minutes
    # Processes are forked from one that has imported torch, and has not touched a GPU.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "triton", "transformers"])
    with ProcessPoolExecutor(1, context) as apart:
        gpu = apart.submit(describe).result()
    print(f"{gpu['name']}, driver {gpu['driver']}, torch {torch.__version__}\n", flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    report.RESULTS = asked.out
    results: Row = {
        "gpu": gpu,
        "machine": report.machine("torch", "triton", "transformers"),
        "tiny": asked.tiny,
        "sections": {},
    }
    name = "gpu-" + re.sub(r"[^a-z0-9]+", "-", gpu["name"].lower()).strip("-")
    for index, title in enumerate(chosen):
        coming = sum(SECTIONS[later].share for later in chosen[index:])
        deadline = time.monotonic() + max(0.0, end - time.monotonic()) * SECTIONS[title].share / coming
        section: Row = {"interpreted": INTERPRETED, "target": SECTIONS[title].target, "rows": [], "failed": []}
        results["sections"][title] = section
        for _ in run(title, Setting(asked.tiny, deadline), section, context):
            report.keep(name, results)
        print(shown(title, section), flush=True)
    path = report.keep(name, results)
    print(f"Written to {path}")
    sys.exit(any(section["failed"] for section in results["sections"].values()))


def describe() -> Row:
    """The GPU that torch uses, and its driver."""
    if INTERPRETED:
        return {"name": "interpreter", "driver": "none"}
    properties = torch.cuda.get_device_properties(0)
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError) as error:
        driver = last_line(error)
    return {
        "name": properties.name,
        "driver": driver,
        "cuda": torch.version.cuda,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "multiprocessors": properties.multi_processor_count,
    }


def run(title: str, setting: Setting, section: Row, context: Any) -> Iterator[None]:
    """Run a section in its own processes, and add the results to `section`; yields after each of them."""
    began = time.monotonic()
    pending: dict[Connection, Any] = {}
    if setting.deadline - began < LEAST:
        section |= {"failed": ["not started: no time is left"], "seconds": 0.0}
        yield
        return
    parts = SECTIONS[title].parts
    for part in range(parts):
        here, there = context.Pipe(duplex=False)
        share = Setting(setting.tiny, setting.deadline, part, parts)
        process = context.Process(target=send, args=(there, title, share))
        process.start()
        there.close()
        pending[here] = process
    while pending:
        ready = wait(list(pending), max(0.0, setting.deadline + GRACE - time.monotonic()))
        if not ready:
            for process in pending.values():
                process.kill()
                process.join()
            section["failed"].append(f"stopped after {time.monotonic() - began:.0f} s, its share of the time")
            break
        for here in ready:
            assert isinstance(here, Connection)
            try:
                came = here.recv()
            except EOFError:
                process = pending.pop(here)
                process.join()
                if process.exitcode:
                    section["failed"].append(f"a process ended with status {process.exitcode}")
                continue
            if isinstance(came, dict):
                section["rows"].append(came)
            if isinstance(came, str) or "failed" in came:
                section["failed"].append(came if isinstance(came, str) else ", ".join(map(str, came.values())))
            yield
    section["seconds"] = round(time.monotonic() - began, 1)
    yield


def send(connection: Connection, title: str, setting: Setting) -> None:
    """In a section's process: send its rows, and the error that stopped it, if any, as a string."""
    try:
        for row in SECTIONS[title].work(setting):
            connection.send(row)
    except Exception as error:
        traceback.print_exc()
        connection.send(last_line(error))


def shown(title: str, section: Row) -> str:
    """A section as Markdown: a column for every name in its rows, except for lists."""
    rows = SECTIONS[title].shown(section["rows"])
    headings = list(dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, list)))
    lines = [[_cell(row.get(name)) for name in headings] for row in rows]
    parts = [f"## {title}, {section['seconds']} s", report.table(headings, lines) if rows else "no results"]
    if section["target"]:
        parts.append(f"Target: {section['target']}.")
    parts += [f"FAILED: {failure}" for failure in section["failed"]]
    return "\n\n".join(parts) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
