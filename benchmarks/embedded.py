"""What a prefix that was read before is worth: time to first token in a first run, a follow-up question, a later run.

    python benchmarks/embedded.py [FILE]

Asks the default model about FILE (the handbook if none is given) in three fresh processes with one cache: the first
asks two questions, the next two ask one each and start from what the first left on disk.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import report

QUESTIONS = ("What is the window of the built-in model?", "Under which licence is the source code published?")


def run(path: str, cache: str, questions: tuple[str, ...]) -> dict[str, Any]:
    os.environ["LONGREAD_CACHE_DIR"] = cache
    start = time.perf_counter()
    from longread.agent import Corpus, LongReader

    corpus = Corpus.load([path])
    reader = LongReader(corpus, max_tokens=32)
    ready = time.perf_counter() - start
    answers = [reader.ask(question) for question in questions]
    return {"ready": ready, "usage": [answer.usage.model_dump() for answer in answers if answer.usage]}


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[1] / "examples" / "handbook.pdf")
    with tempfile.TemporaryDirectory() as cache:
        report.apart(_obtain, cache)
        first = report.apart(run, path, cache, QUESTIONS)
        later = [report.apart(run, path, cache, (question,)) for question in QUESTIONS]
        stored = sum(file.stat().st_size for file in Path(cache, "prefix").rglob("*") if file.is_file())
    base = first["usage"][0]
    shown = [
        ("first run, first question", base),
        ("first run, second question", first["usage"][1]),
        ("second run, same question", later[0]["usage"][0]),
        ("third run, other question", later[1]["usage"][0]),
    ]
    rows = [
        [
            what,
            f"{usage['prompt_tokens']:,}",
            f"{usage['cached_tokens']:,}",
            f"{usage['ttft']:.2f} s",
            f"{usage['ttft'] / base['ttft']:.3f}",
        ]
        for what, usage in shown
    ]
    print(report.table(["what", "prompt tokens", "from the cache", "time to first token", "to the first run's"], rows))
    per_token = stored / later[0]["usage"][0]["cached_tokens"]
    machine = report.machine("torch", "transformers", "safetensors")
    kept = report.keep(
        "embedded",
        {"machine": machine, "file": Path(path).name, "first": first, "later": later, "bytes_on_disk": stored},
    )
    print(f"\nReady to answer after {later[0]['ready']:.1f} s. {per_token:,.0f} bytes of disk a token of prefix.")
    print(f"{machine['cpu']}, {machine['cores']} cores; {kept}")


def _obtain(cache: str) -> None:
    os.environ["LONGREAD_CACHE_DIR"] = cache
    from longread.serving.models import DEFAULT_MODEL, obtain

    obtain(DEFAULT_MODEL)


if __name__ == "__main__":
    main()
