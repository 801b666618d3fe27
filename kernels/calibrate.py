"""Calibration of sparsity: measure the recall of each head, and refine the budgets until it is high enough.

Recall is the share of the full attention on the selected keys, exp(lse_sparse - lse_full) (Qwen2.5-1M report, section
4.2.2). It is measured on a model's own activations at full length, chunk by chunk: beside the K/V cache this takes the
memory of one chunk. Heads whose recall is too low get larger budgets, and are measured again. Heads of adaptive
sparsity whose recall is higher than necessary get smaller ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .errors import KernelError
from .sparse.adaptive import Adaptive
from .sparse.budgets import Budgets
from .sparse.vertical_slash import VerticalSlash
from .transformers_patch import Observation, attentions, with_cache

# From the published budgets: (least recall, what is added to a head of that recall or more).
STEPS = ((0.9, 0), (0.8, 2048), (0.7, 4096), (0.6, 8192), (0.0, 12244))

LEAST_KEEP, MOST_KEEP = 0.5, 0.9999
"""The limits of `Adaptive.keep` in refinement."""


@dataclass(frozen=True)
class Recall:
    """The recall and density of budgets on a prompt."""

    budgets: Budgets
    recall: Tensor
    """[layers, Hq], the mean over the queries of sparse chunks."""
    density: Tensor
    """[layers, Hq], the fraction of the causal keys of those queries that was computed."""

    @property
    def mean(self) -> float:
        return float(self.recall.mean())


@torch.inference_mode()
def measure(
    model: Any,
    tokens: Sequence[int],
    *,
    chunk: int,
    cache: Any = None,
    on_chunk: Callable[[int, int], None] | None = None,
) -> Recall:
    """Measure the recall of a patched model's budgets on one prompt. The model itself attends densely meanwhile.

    Args:
        model: a model of transformers, patched with budgets.
        tokens: the prompt; its part beyond the budgets' threshold is measured.
        chunk: tokens read at a time; use the same as in service, since keys are selected once for each chunk.
        cache: an empty cache of transformers, which holds the prompt afterwards; a `DynamicCache` if None.
        on_chunk: called with (tokens read, tokens in total).

    Raises:
        KernelError: the model has no budgets, or no chunk of the prompt would be sparse.
    """
    layers = attentions(model)
    budgets = layers[0].budgets
    if budgets is None:
        raise KernelError("the model has no budgets to measure: patch(model, spec, budgets)")
    starts = range(0, len(tokens), chunk)
    sparse = [
        s for s in starts if budgets.at(0, queries=min(chunk, len(tokens) - s), length=min(s + chunk, len(tokens)))
    ]
    if not sparse:
        raise KernelError(
            f"nothing of {len(tokens):,} tokens in chunks of {chunk:,} would be sparse: that begins beyond "
            f"{budgets.threshold:,} tokens, with chunks of {budgets.least_queries:,}"
        )
    seen: list[list[Observation]] = [[] for _ in layers]
    for layer, observations in zip(layers, seen, strict=True):
        layer.observe = observations.append
    try:
        cached = with_cache(model.base_model, cache)
        for start in starts:
            ids = torch.tensor([tokens[start : start + chunk]], device=model.device)
            model.base_model(input_ids=ids, **cached)
            if on_chunk:
                on_chunk(min(start + chunk, len(tokens)), len(tokens))
    finally:
        for layer in layers:
            layer.observe = None
    weights = torch.tensor([chunk.queries for chunk in seen[0]], dtype=torch.float64)  # those of every layer
    weights /= weights.sum()
    recall = torch.stack([weights @ torch.stack([chunk.recall.double().cpu() for chunk in layer]) for layer in seen])
    density = torch.stack([weights @ torch.stack([chunk.density.cpu() for chunk in layer]) for layer in seen])
    return Recall(budgets, recall, density)


def refine(found: Recall, *, target: float = 0.9) -> Budgets:
    """Budgets that bring the heads closer to the recall `target`.

    Vertical-slash: a head below the target gets more, by the steps of the published configurations: the more it misses,
    the larger the step, and the smallest one above a recall of 0.9. Adaptive: the share that a head may miss, 1 - keep,
    is multiplied by (1 - target) / (1 - recall).
    """
    layers = [
        _adapt(budgets, recall, target) if isinstance(budgets, Adaptive) else _grow(budgets, recall, target)
        for budgets, recall in zip(found.budgets.layers, found.recall.tolist(), strict=True)
    ]
    return replace(found.budgets, layers=tuple(layers))


def _grow(budgets: VerticalSlash, recall: list[float], target: float) -> VerticalSlash:
    grown = [_step(value, target) for value in recall]
    return replace(
        budgets,
        vertical=tuple(v + more for v, more in zip(budgets.vertical, grown, strict=True)),
        slash=tuple(s + more for s, more in zip(budgets.slash, grown, strict=True)),
    )


def _adapt(budgets: Adaptive, recall: list[float], target: float) -> Adaptive:
    kept = []
    for keep, value in zip(budgets.keep, recall, strict=True):
        missed = (1 - keep) * (1 - target) / max(1 - value, 1e-6)
        kept.append(round(min(max(1 - missed, LEAST_KEEP), MOST_KEEP), 4))
    return replace(budgets, keep=tuple(kept))


def calibrate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    chunk: int,
    target: float = 0.9,
    rounds: int = 4,
    cache: Callable[[], Any] | None = None,
    on_chunk: Callable[[int, int], None] | None = None,
    on_round: Callable[[int, Recall], None] | None = None,
) -> tuple[Budgets, list[Recall]]:
    """Measure and refine until every head reaches the recall `target`, for at most `rounds` rounds.

    A head of vertical-slash reaches it with this recall or more. A head of adaptive sparsity reaches it within 0.01,
    above or below; or above with the smallest `keep`, if the keys that are always selected suffice.

    Args:
        model: patched with the initial budgets. It has the refined ones afterwards.
        prompts: as long as the prompts that the budgets are for; a head's lowest recall in any of them counts.
        cache: makes an empty cache for each prompt; see `measure`.
        on_chunk: see `measure`.
        on_round: called with the number of the round, from 1, and its measurements.

    Returns:
        The refined budgets, and the measurements of each round.
    """
    layers = attentions(model)
    history: list[Recall] = []
    while True:
        measured = [
            measure(model, prompt, chunk=chunk, cache=cache and cache(), on_chunk=on_chunk) for prompt in prompts
        ]
        worst = torch.stack([found.recall for found in measured]).amin(0)
        density = torch.stack([found.density for found in measured]).mean(0)
        history.append(Recall(measured[0].budgets, worst, density))
        if on_round:
            on_round(len(history), history[-1])
        if len(history) == rounds or _settled(history[-1], target):
            return history[-1].budgets, history
        refined = refine(history[-1], target=target)
        for layer in layers:
            layer.budgets = refined


def _settled(found: Recall, target: float) -> bool:
    def settled(budgets: Adaptive | VerticalSlash, over: Tensor) -> bool:
        if isinstance(budgets, Adaptive):
            at_least = torch.tensor(budgets.keep, device=over.device) <= LEAST_KEEP
            return bool(((over.abs() <= 0.01) | (at_least & (over > 0))).all())
        return bool((over >= 0).all())

    return all(map(settled, found.budgets.layers, found.recall - target))


def _step(recall: float, target: float) -> int:
    if recall >= target:
        return 0
    more = next(more for least, more in STEPS if recall >= least)
    return more or STEPS[1][1]
