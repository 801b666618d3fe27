"""The embedded engine: the time of a first question, a second one, and one in a later process; and transformers'.

    python -m benchmarks.serving.embedded [--model NAME] [--tokens N] [--repeat N]

The document is third-party prose that is available everywhere: the long descriptions of installed packages. Each side
runs in its own process, alternately, on the same prompt, greedily; the fastest repetition is reported. The time to
first token starts with the messages, so it includes the chat template and the tokenizer, for both sides.
"""

import argparse
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks import report
from longread.serving.models.catalog import DEFAULT_MODEL, obtain

QUESTIONS = ("Summarize the document in ten sentences.", "Which licences are named in the document?")
OUTPUT = 48


def document(model: str, tokens: int) -> str:
    """A text of about so many tokens."""
    from longread.serving.embedded.tokenizer import ChatTokenizer

    described = {d.name: d.metadata.json.get("description", "") for d in distributions()}
    text = "\n\n".join(str(described[name]) for name in sorted(described))
    tokenizer = ChatTokenizer(obtain(model))
    return tokenizer.backend.decode(tokenizer.backend.encode(text[: 8 * tokens]).ids[:tokens])


def messages(text: str, question: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{text}\n\n{QUESTIONS[question]}"}]


def ours(model: str, text: str, store: str, questions: list[int]) -> dict[str, Any]:
    """Ask the engine, which may use what an earlier process left in `store`."""
    started = time.perf_counter()
    from longread.events import Finish
    from longread.serving.embedded.engine import Engine
    from longread.serving.prefix_cache import PrefixStore

    prefixes = PrefixStore(Path(store))
    answers = []
    with Engine.load(model, prefix_store=prefixes) as engine:
        loaded = time.perf_counter() - started
        for question in questions:
            *_, finish = engine.stream(messages(text, question), max_tokens=OUTPUT)
            assert isinstance(finish, Finish)
            answers.append({**finish.usage.model_dump(), "tokens_per_second": finish.usage.tokens_per_second})
    return {"load": loaded, "answers": answers, "disk_bytes": prefixes.store.size()}


def theirs(model: str, text: str) -> dict[str, Any]:
    """`generate` of transformers, with the same number of threads and its default attention."""
    import torch
    from transformers import AutoModelForCausalLM

    from longread.serving.device import default_dtype, use_physical_cores
    from longread.serving.device import device as device_of
    from longread.serving.embedded.tokenizer import ChatTokenizer

    threads = use_physical_cores()
    folder = obtain(model)
    device = device_of(None)
    tokenizer = ChatTokenizer(folder)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=default_dtype(device))
    loaded = loaded.to(device).eval()

    def generate(new: int) -> float:
        started = time.perf_counter()
        prompt = torch.tensor([tokenizer.render(messages(text, 0))], device=device)
        loaded.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=new, min_new_tokens=new
        )
        return time.perf_counter() - started

    ttft = generate(1)
    whole = generate(OUTPUT)
    return {"ttft": ttft, "tokens_per_second": (OUTPUT - 1) / (whole - ttft), "threads": threads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--tokens", type=int, default=7000, help="of the document; default 7000")
    parser.add_argument("--repeat", type=int, default=2, help="default 2")
    asked = parser.parse_args()

    text = report.apart(document, asked.model, asked.tokens)
    runs = []
    for _ in range(asked.repeat):
        with tempfile.TemporaryDirectory() as store:
            runs.append(
                {
                    "theirs": report.apart(theirs, asked.model, text),
                    "first": report.apart(ours, asked.model, text, store, [0, 1]),
                    "later": report.apart(ours, asked.model, text, store, [0]),
                }
            )

    cold = min((run["first"]["answers"][0] for run in runs), key=lambda usage: usage["ttft"])
    second = min((run["first"]["answers"][1] for run in runs), key=lambda usage: usage["ttft"])
    later = min((run["later"]["answers"][0] for run in runs), key=lambda usage: usage["ttft"])
    plain = min((run["theirs"] for run in runs), key=lambda side: side["ttft"])
    prompt = cold["prompt_tokens"]
    print(f"\n{asked.model}, prompt of {prompt:,} tokens\n")
    print(
        report.table(
            ["", "cached tokens", "time to first token", "of the first"],
            [
                [name, f"{usage['cached_tokens']:,}", f"{usage['ttft']:.2f} s", f"1/{cold['ttft'] / usage['ttft']:.0f}"]
                for name, usage in (
                    ("first question", cold),
                    ("second question, same process", second),
                    ("first question, later process", later),
                )
            ],
        )
    )
    decode = max(run["first"]["answers"][0]["tokens_per_second"] for run in runs)
    print()
    print(
        report.table(
            ["", "longread", "transformers"],
            [
                ["prefill, tokens/s", f"{prompt / cold['ttft']:.0f}", f"{prompt / plain['ttft']:.0f}"],
                [
                    f"decode after {prompt:,} tokens, tokens/s",
                    f"{decode:.1f}",
                    f"{max(run['theirs']['tokens_per_second'] for run in runs):.1f}",
                ],
            ],
        )
    )
    kept = runs[0]["first"]["disk_bytes"] / later["cached_tokens"]
    load = min(run["later"]["load"] for run in runs)
    print(f"\nImports and loading: {load:.1f} s. On disk: {kept / 1024:.1f} KiB a token.")
    path = report.keep(
        "embedded",
        {
            "machine": report.machine("torch", "transformers"),
            "model": asked.model,
            "prompt_tokens": prompt,
            "threads": plain["threads"],
            "disk_bytes_per_token": round(kept),
            "runs": runs,
        },
    )
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
