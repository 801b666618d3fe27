"""The section `model` of `run.py`: a whole model reads long prompts like the embedded engine.

The model has the shape of Qwen2 7B and random weights: its speed depends on them only through the selection of sparse
attention. So the biases of Q and K make the diagonals of `layer.pattern`, and the selection is reported: recall and
density of one layer on the last chunk of the prompt.
"""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.layer import pattern
from benchmarks.gpu.setting import DEVICE, DTYPE, INTERPRETED, Row, Setting, Shapes, last_line, synchronize
from longread.errors import ModelUnusable
from longread.kernels.sparse.budgets import Budgets
from longread.kernels.transformers_patch import Observation, attentions, patch, with_cache
from longread.serving.embedded.kv_cache import KVBuffer
from longread.serving.embedded.prefill_clock import PrefillClock

MODES = ("sparse", "dense")


def model(setting: Setting) -> Iterator[Row]:
    """Time to first token, tokens per second, and memory. Sparse prompts come first: they are the longest."""
    shapes = setting.shapes
    budgets = Budgets((shapes.budgets(shapes.blocks[0]),) * shapes.layers, shapes.threshold, shapes.chunk // 32)
    built = patch(_build(shapes), shapes.spec, budgets)
    for mode in MODES:
        for attention in attentions(built):
            attention.budgets = budgets if mode == "sparse" else None
        clock = PrefillClock(built)
        _read(built, shapes, 2 * shapes.chunk)  # compiles
        for tokens in shapes.prompts:
            names = {"attention": mode, "tokens": tokens}
            if reason := setting.too_long(clock.left(0, tokens) or 0):
                yield {**names, "refused": reason}
                continue
            try:
                found = _read(built, shapes, tokens, clock)
            except (torch.OutOfMemoryError, ModelUnusable) as error:
                found = {"refused": last_line(error)}
            yield {**names, **found}
            if not INTERPRETED:
                torch.cuda.empty_cache()


def _build(shapes: Shapes) -> Any:
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(
        vocab_size=shapes.vocabulary,
        hidden_size=shapes.hidden,
        intermediate_size=shapes.mlp,
        num_hidden_layers=shapes.layers,
        num_attention_heads=shapes.heads,
        num_key_value_heads=shapes.kv_heads,
        max_position_embeddings=1 << 20,
        initializer_range=shapes.hidden**-0.5,  # so that the result of a projection has a deviation of 1
    )
    with torch.device(DEVICE):
        built: Any = AutoModelForCausalLM.from_config(config, dtype=DTYPE).eval()
    queries, keys, _ = pattern(shapes)
    with torch.no_grad():
        for layer in built.base_model.layers:
            layer.self_attn.q_proj.bias.copy_(queries.flatten())
            layer.self_attn.k_proj.bias.copy_(keys.repeat(shapes.kv_heads))
    return built


@torch.inference_mode()
def _read(built: Any, shapes: Shapes, tokens: int, clock: PrefillClock | None = None) -> Row:
    """Read a prompt into a new buffer, with the chunks and calls of `longread.serving.embedded.runner`."""
    if not INTERPRETED:
        torch.cuda.reset_peak_memory_stats()
    cache = KVBuffer.of(built, tokens)
    cache.reserve(tokens, keep=0)
    prompt = torch.randint(shapes.vocabulary, (1, tokens), device=DEVICE)
    seconds, logits = [], torch.empty(0)
    for start in range(0, tokens, shapes.chunk):
        began = time.perf_counter()
        logits = _step(built, cache, prompt, start, shapes.chunk)
        synchronize()
        seconds.append(time.perf_counter() - began)
        if clock is not None:
            clock.add(start, min(shapes.chunk, tokens - start), seconds[-1])
    if not logits.isfinite().all():
        raise RuntimeError(f"the logits after {tokens} tokens are not finite")
    row: Row = {
        "seconds": sum(seconds),
        "tokens/s": tokens / sum(seconds),
        "peak GiB": None if INTERPRETED else torch.cuda.max_memory_allocated() / 2**30,
        "K/V GiB": tokens * cache.bytes_per_token / 2**30,
        "seconds of chunks": seconds,
    }
    seen = _observe(built, cache, prompt, shapes.chunk)
    return row | {name: value for one in seen for name, value in _figures(one).items()}


def _step(built: Any, cache: KVBuffer, prompt: Tensor, start: int, chunk: int) -> Tensor:
    """Read a chunk. -> the logits after it if the prompt ends there, or else its last hidden states"""
    ids = prompt[:, start : start + chunk]
    if start + chunk < prompt.shape[1]:
        return built.base_model(input_ids=ids, **with_cache(built.base_model, cache)).last_hidden_state[:, -1]
    return built(input_ids=ids, logits_to_keep=1, **with_cache(built, cache)).logits


def _observe(built: Any, cache: KVBuffer, prompt: Tensor, chunk: int) -> list[Observation]:
    """Read the last chunk again, and observe the middle layer. -> nothing if it is dense"""
    seen: list[Observation] = []
    start = (prompt.shape[1] - 1) // chunk * chunk
    watched = attentions(built)[len(attentions(built)) // 2]
    watched.observe = seen.append
    cache.truncate(start)
    if watched.budgets is not None:
        _step(built, cache, prompt, start, chunk)
    watched.observe = None
    return seen


def _figures(seen: Observation) -> Row:
    return {
        "layer": seen.layer,
        "recall": float(seen.recall.mean()),
        "of the worst head": float(seen.recall.min()),
        "density": float(seen.density.mean()),
    }
