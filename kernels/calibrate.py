"""What sparse attention misses, head by head, and budgets that miss less: recall and refinement.

Recall is the share of the full attention that the selected keys have, exp(lse_sparse - lse_full) (Qwen2.5-1M report,
section 4.2.2). It is measured on a model's own activations at full length, chunk by chunk: beside the K/V cache the
memory is that of one chunk. Heads whose recall is too low get larger budgets, and are measured again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .budgets import Budgets
from .errors import KernelError
from .patching import Observation, attentions, with_cache

# From the published budgets: what a head of this recall or more is given beyond what it has.
STEPS = ((0.9, 0), (0.8, 2048), (0.7, 4096), (0.6, 8192), (0.0, 12244))


@dataclass(frozen=True)
class Recall:
    """What budgets achieve on a prompt."""

    budgets: Budgets
    recall: Tensor
    """[layers, Hq], the mean over the queries that were sparse."""
    density: Tensor
    """[layers, Hq], the share of the causal keys of those queries that was computed."""

    @property
    def mean(self) -> float:
        return float(self.recall.mean())


@torch.inference_mode()
def measure(
    model: Any,
    tokens: Sequence[int],
    *,
    chunk: int,
    on_chunk: Callable[[int, int], None] | None = None,
) -> Recall:
    """Recall of a patched model's budgets on one prompt. The model itself attends densely meanwhile.

    Args:
        model: of transformers, patched with budgets.
        tokens: the prompt; what of it is longer than the budgets' threshold is measured.
        chunk: tokens read at a time, as when the model is used: keys are selected once a chunk.
        on_chunk: called with (tokens read, of how many).

    Raises:
        KernelError: no budgets, or a prompt of which nothing would be sparse.
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
        cached = with_cache(model.base_model)
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
    """Larger budgets for the heads whose recall is below `target`, by the steps of the published configurations.

    A head that misses more is given more at once. One that is below `target` and above 0.9 is given the smallest step.
    """
    layers = []
    for budgets, recall in zip(found.budgets.layers, found.recall.tolist(), strict=True):
        grown = [_step(value, target) for value in recall]
        layers.append(
            replace(
                budgets,
                vertical=tuple(v + more for v, more in zip(budgets.vertical, grown, strict=True)),
                slash=tuple(s + more for s, more in zip(budgets.slash, grown, strict=True)),
            )
        )
    return replace(found.budgets, layers=tuple(layers))


def calibrate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    chunk: int,
    target: float = 0.9,
    rounds: int = 4,
    on_round: Callable[[int, Recall], None] | None = None,
) -> tuple[Budgets, list[Recall]]:
    """Measure and refine until every head reaches `target`, or for so many rounds.

    Args:
        model: patched with the budgets to begin with. It has the refined ones afterwards.
        prompts: of the length that the budgets are for; the lowest recall that a head has in any of them counts.
        on_round: called with the number of the round, from 1, and what was measured in it.

    Returns:
        The refined budgets, and what was measured in each round.
    """
    layers = attentions(model)
    history: list[Recall] = []
    while True:
        measured = [measure(model, prompt, chunk=chunk) for prompt in prompts]
        worst = torch.stack([found.recall for found in measured]).amin(0)
        density = torch.stack([found.density for found in measured]).mean(0)
        history.append(Recall(measured[0].budgets, worst, density))
        if on_round:
            on_round(len(history), history[-1])
        if len(history) == rounds or bool((worst >= target).all()):
            return history[-1].budgets, history
        refined = refine(history[-1], target=target)
        for layer in layers:
            layer.budgets = refined


def _step(recall: float, target: float) -> int:
    if recall >= target:
        return 0
    more = next(more for least, more in STEPS if recall >= least)
    return more or STEPS[1][1]
