"""Helpers of the benchmarks: a description of the machine, tables, files of results, test data."""

import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""The root of the repository."""
RESULTS = ROOT / "benchmarks" / "results"


def machine(*packages: str) -> dict[str, Any]:
    """The machine and the versions that a figure depends on."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def keep(name: str, results: dict[str, Any]) -> Path:
    """Write results to `benchmarks/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return partial.replace(path)


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work` in a fresh process, with its own imports and peak memory. -> its result"""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_send, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        sys.exit(f"{work.__name__} failed")
    finally:
        process.join()


def _send(connection: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    connection.send(work(*arguments))


def debian(package: str, folder: Path) -> Path:
    """Download and unpack a Debian package once, into a folder of its own. -> that folder"""
    target = folder / package
    if target.exists():
        return target
    partial = target.with_name(f"{package}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-q", package], cwd=partial, check=True, capture_output=True)
    archive = next(partial.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=partial, check=True)
    return partial.rename(target)


def debian_pdfs(packages: Sequence[str], folder: Path) -> list[Path]:
    """The PDFs in Debian packages, without symbolic links and duplicates, the largest first."""
    paths = sorted(path for package in packages for path in debian(package, folder).rglob("*.pdf"))
    found = {path.read_bytes(): path for path in paths if not path.is_symlink()}
    return sorted(found.values(), key=lambda path: -path.stat().st_size)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
