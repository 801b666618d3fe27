"""Prefill on a CPU with the default model: dense against transformers' own attention, and sparse against dense.

    python -m benchmarks.attention.cpu [--longest TOKENS] [--sides NAME,NAME] [--only first|second]

One prompt, a novel with a pass key in it, is read by dense and by sparse attention alternately, chunk by chunk, so that
other load on the machine slows all sides alike. The times of shorter prompts are those of its beginnings. Beside the
elapsed time there is the CPU time of all threads, which other programs disturb less. Recall is that of the last chunk
of each length, the mean over layers, heads and queries. For DCA see benchmarks/attention/reading.py.
"""

import argparse
import json
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch

from benchmarks import report
from benchmarks.attention import novels
from benchmarks.attention.reading import CHUNK, INTRODUCTION, QUESTION, PassKey, Reader, load, spec_of, uniform
from longread.kernels import Budgets, patch
from longread.kernels.transformers_patch import Observation, with_cache

LENGTHS = (8192, 16384, 32768, 65536)
FIXED = ((300, 400), (1000, 1500))
"""(vertical, slash) of every head, for vertical-slash beyond the training length."""
KEEP = (0.93, 0.95)
"""The share that every head keeps, for adaptive beyond the first chunk."""
KEY_AT = 5000
ROUNDS = 4


def against_transformers(model: Any, tokens: list[int]) -> list[dict[str, Any]]:
    """Seconds to read 4K and 8K tokens at once, with transformers' scaled_dot_product_attention and with longread's.

    Within its first chunk DCA is RoPE, so both compute the same. They take turns in going first: the second one is some
    percent slower.
    """
    rotary = model.base_model.rotary_emb
    results = []
    for length in (4096, 8192):
        ids = torch.tensor([tokens[:length]])
        rounds: dict[str, list[float]] = {"transformers": [], "longread": []}
        worked: dict[str, list[float]] = {"transformers": [], "longread": []}
        for turn in range(ROUNDS):
            for side in reversed(rounds) if turn % 2 else rounds:
                if side == "transformers":
                    model.base_model.rotary_emb = rotary
                    model.set_attn_implementation("sdpa")
                else:
                    patch(model, spec_of(model, "rope"))
                passed, processors = seconds(model, ids)
                rounds[side].append(passed)
                worked[side].append(processors)
        results.append({"tokens": length, **rounds, "cpu": worked})
    return results


@torch.inference_mode()
def seconds(model: Any, ids: torch.Tensor) -> tuple[float, float]:
    """Elapsed seconds, and CPU seconds."""
    started, worked = time.perf_counter(), time.process_time()
    model.base_model(input_ids=ids, **with_cache(model.base_model))
    return time.perf_counter() - started, time.process_time() - worked


def sparsities(model: Any) -> dict[str, Budgets]:
    """The budgets to compare with dense attention, by name."""
    config = model.config
    shape = config.num_hidden_layers, config.num_attention_heads
    fixed = {f"{vertical} + {slash}": uniform(model, vertical, slash) for vertical, slash in FIXED}
    return fixed | {f"adaptive {keep}": Budgets.adaptive(*shape, keep, threshold=CHUNK) for keep in KEEP}


def sparse_against_dense(
    model: Any, encode: Any, text: list[int], longest: int, compared: dict[str, Budgets]
) -> Iterator[dict[str, Any]]:
    """Read alternately. -> at each length the times so far, recall, density, and whether the pass key is known"""
    key = PassKey.of(longest)
    prompt = [*encode(INTRODUCTION), *text[:KEY_AT], *encode(key.needle), *text[KEY_AT:]]
    question, answer = encode(QUESTION), encode(f" {key.digits}")
    spec, capacity = spec_of(model, "dca"), longest + CHUNK
    sides = {"dense": Reader(model, spec, None, capacity=capacity)}
    sides |= {side: Reader(model, spec, budgets, capacity=capacity) for side, budgets in compared.items()}
    taken, worked = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0.0)
    for at in range(0, longest, CHUNK):
        chunk, end = prompt[at : at + CHUNK], at + CHUNK
        for side, reader in sides.items():
            started, worked_before = time.perf_counter(), time.process_time()
            reader.read(chunk)
            taken[side] += time.perf_counter() - started
            worked[side] += time.process_time() - worked_before
        if end not in LENGTHS:
            continue
        found: dict[str, Any] = {"tokens": end, "sides": {}}
        for side, reader in sides.items():
            known, log_probability = reader.knows(question, answer)
            found["sides"][side] = {
                "seconds": taken[side], "cpu_seconds": worked[side], "known": known, "log_probability": log_probability,
            }  # fmt: skip
            if reader.budgets is not None and end > reader.budgets.threshold:
                found["sides"][side] |= means(sides["dense"].observe(reader.budgets, chunk))
        yield found


def means(seen: list[Observation]) -> dict[str, float]:
    """The mean recall and density over layers, heads and queries."""
    return {
        "recall": float(torch.stack([layer.recall for layer in seen]).mean()),
        "density": float(torch.stack([layer.density for layer in seen]).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=int, default=max(LENGTHS), help="the longest prompt; default 65536")
    parser.add_argument("--sides", help="the budgets to compare, comma-separated; default all")
    parser.add_argument("--only", choices=("first", "second"), help="measure only one of the tables")
    asked = parser.parse_args()
    model, encode = load()
    compared = sparsities(model)
    if asked.sides:
        compared = {side: compared[side] for side in asked.sides.split(",")}
    text = encode(novels.novel("EMMA")[: 6 * asked.longest])
    results: dict[str, Any] = {"machine": report.machine("torch", "transformers"), "chunk": CHUNK}
    results["threads"] = torch.get_num_threads()
    kept = json.loads(path.read_text()) if (path := report.RESULTS / "cpu.json").is_file() else {}
    results |= {name: kept.get(name, []) for name in ("against_transformers", "sparse_against_dense")}
    if asked.only != "second":
        results["against_transformers"] = against_transformers(model, text)
        report.keep("cpu", results)
    print("\nSeconds to read a prompt at once, medians\n")
    rows = []
    for row in results["against_transformers"]:
        theirs, ours = median(row["transformers"]), median(row["longread"])
        worked = f"{median(row['cpu']['transformers']) / median(row['cpu']['longread']):.2f}×" if "cpu" in row else ""
        rows.append([f"{row['tokens']:,}", f"{theirs:.1f}", f"{ours:.1f}", f"{theirs / ours:.2f}×", worked])
    print(report.table(["tokens", "transformers", "longread", "faster", "by CPU time"], rows), flush=True)
    if asked.only == "first":
        return

    second = results["sparse_against_dense"] = []
    for found in sparse_against_dense(model, encode, text, asked.longest, compared):
        second.append(found)
        print(f"Read {found['tokens']:,} tokens; kept in {report.keep('cpu', results)}", flush=True)
    print(f"\nThe whole prefill in chunks of {CHUNK:,}, dense, with so many columns + diagonals a head, and adaptive\n")
    rows = []
    for row in second:
        dense = row["sides"]["dense"]
        for side, figures in row["sides"].items():
            rows.append(
                [
                    f"{row['tokens']:,}",
                    side,
                    f"{figures['seconds']:.0f}",
                    f"{dense['seconds'] / figures['seconds']:.2f}×",
                    f"{dense['cpu_seconds'] / figures['cpu_seconds']:.2f}×",
                    f"{figures['density']:.1%}" if "density" in figures else "",
                    f"{figures['recall']:.3f}" if "recall" in figures else "",
                    f"{'yes' if figures['known'] else 'no'} ({figures['log_probability']:.1f})",
                ]
            )
    headings = ["tokens", "attention", "seconds", "faster", "by CPU time", "keys computed", "recall", "pass key known"]
    print(report.table(headings, rows))


if __name__ == "__main__":
    main()
