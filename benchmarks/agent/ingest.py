"""PDF parsing against Qwen-Agent's parser on the same real pages; opening from the cache; memory for 5,000 pages.

    python -m benchmarks.agent.ingest [PDF ...]

Without arguments it reads the reference manual of R (2,415 pages) and the manual of Octave (1,158) from Debian's
packages. longread's time is that of `Corpus.load` with an empty cache: starting processes, parsing pages, counting
tokens, storing documents. Qwen-Agent's `SimpleDocParser` takes minutes for so many pages, so both are timed on every
twentieth page, extracted to a separate PDF.
"""

import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pymupdf
from platformdirs import user_cache_path

from benchmarks import report

SAMPLE = 20
LARGE = 5_000
ROUNDS = 3


def load(paths: list[str], cache: str) -> dict[str, Any]:
    """`Corpus.load` in this process, timed after the imports."""
    os.environ["LONGREAD_CACHE_DIR"] = cache
    from longread.agent.corpus import Corpus

    with _peak_of_children() as workers:
        start = time.perf_counter()
        corpus = Corpus.load(paths)
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "pages": sum(len(document.pages) for document in corpus.documents),
        "tokens": corpus.tokens,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "largest_worker_mib": max(workers, default=0) >> 20,
    }


def parse_theirs(paths: list[str], workspace: str) -> dict[str, Any]:
    """Qwen-Agent's parser and token counter, timed after the imports."""
    os.environ["QWEN_AGENT_DEFAULT_WORKSPACE"] = workspace
    from qwen_agent.tools.simple_doc_parser import SimpleDocParser

    parser = SimpleDocParser({"path": workspace, "structured_doc": True})
    start = time.perf_counter()
    pages = sum(len(parser.call({"url": path})) for path in paths)
    return {"seconds": time.perf_counter() - start, "pages": pages}


def main() -> None:
    folder = user_cache_path("longread-benchmarks", appauthor=False)
    manuals = report.debian_pdfs(["r-doc-pdf", "octave-doc"], folder)
    paths = sys.argv[1:] or [str(path) for path in manuals if path.name in ("refman.pdf", "octave.pdf")]
    with tempfile.TemporaryDirectory() as scratch:
        sample, large = f"{scratch}/sample.pdf", f"{scratch}/large.pdf"
        _cut(paths, sample)
        _join(paths, large)
        whole = [report.apart(load, paths, f"{scratch}/cold{i}") for i in range(ROUNDS)]
        ours, theirs = [], []
        for i in range(ROUNDS):  # alternately, so that a change in the machine's speed affects both
            ours.append(report.apart(load, [sample], f"{scratch}/sample{i}"))
            theirs.append(report.apart(parse_theirs, [sample], f"{scratch}/theirs{i}"))
        big = report.apart(load, [large], f"{scratch}/large")
        warm = [report.apart(load, [paths[0]], f"{scratch}/cold0") for _ in range(ROUNDS)]
    speed, sampled, other = (_median(rows, _speed) for rows in (whole, ours, theirs))
    warm_seconds = _median(warm, lambda row: row["seconds"])
    rows = [
        ["longread, cold", f"{whole[0]['pages']:,}", f"{speed:,.0f} pages/s", f"{speed / other:,.0f}×"],
        ["longread, cold, the sample", f"{ours[0]['pages']:,}", f"{sampled:,.0f} pages/s", f"{sampled / other:,.0f}×"],
        ["Qwen-Agent, the sample", f"{theirs[0]['pages']:,}", f"{other:,.1f} pages/s", "1×"],
        ["longread, warm open", f"{warm[0]['pages']:,}", f"{warm_seconds:.3f} s", ""],
        [
            "longread, memory",
            f"{big['pages']:,}",
            f"{big['peak_mib']:,} MiB, and {big['largest_worker_mib']:,} MiB the largest parser process",
            "",
        ],
    ]
    print(report.table(["what", "pages", "figure", "against Qwen-Agent"], rows))
    machine = report.machine("pymupdf", "tiktoken", "qwen-agent", "pdfminer.six", "pdfplumber")
    kept = report.keep(
        "ingest",
        {
            "machine": machine,
            "files": [Path(path).name for path in paths],
            "cold": whole,
            "sample": {"ours": ours, "theirs": theirs},
            "warm": warm,
            "large": big,
        },
    )
    print(f"\nMedians of {ROUNDS}. {machine['cpu']}, {machine['cores']} cores; {kept}")


def _cut(paths: list[str], target: str) -> None:
    """Every `SAMPLE`th page."""
    with pymupdf.open() as sample:
        for path in paths:
            with pymupdf.open(path) as source:
                for number in range(0, source.page_count, SAMPLE):
                    sample.insert_pdf(source, from_page=number, to_page=number)
        sample.save(target, garbage=3, deflate=True)


def _join(paths: list[str], target: str) -> None:
    """At least `LARGE` pages in one file."""
    with pymupdf.open() as large:
        while large.page_count < LARGE:
            for path in paths:
                with pymupdf.open(path) as source:
                    large.insert_pdf(source)
        large.save(target)


@contextmanager
def _peak_of_children() -> Iterator[set[int]]:
    """The resident bytes of all child processes, sampled fifty times a second."""
    seen: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(0.02):
            for child in me.children(recursive=True):
                try:
                    seen.add(child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _speed(row: dict[str, Any]) -> float:
    return row["pages"] / row["seconds"]


def _median(rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], float]) -> float:
    return sorted(map(key, rows))[len(rows) // 2]


if __name__ == "__main__":
    main()
