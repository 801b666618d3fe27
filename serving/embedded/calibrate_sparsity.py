"""Calibration of sparse prefill on a model's own attention to a text of the length of its prompts.

    found = calibrate("smollm2-135m", text, length=32768, target=0.95)
    found.budgets.write("sparse_attention_config.json", found.after.recall.tolist())

`agent calibrate sparsity` calls it. The text is read densely while the recall of the budgets is measured for each head,
and the budgets are refined until every head reaches the target. To compare, the model is asked for pass keys that were
inserted into the text: with dense attention, with the initial budgets, and with the refined ones. Beside the weights
this takes one K/V cache of that length, and the memory of one chunk.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longread.errors import ModelUnusable
from longread.events import ObtainEvent

from .engine import SPARSE_CHUNK
from .loader import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    from longread.kernels import Budgets
    from longread.kernels.calibrate import Recall

    from .kv_cache import KVBuffer

Method = Literal["adaptive", "fixed"]
DEPTHS = (0.1, 0.5, 0.9)
_ASKED = "\n\nThe pass key of {name} is"
_NAMES = ("Alder", "Birch", "Cedar")


@dataclass(frozen=True)
class SparsityCalibration:
    """The result of a calibration on one text of `tokens` tokens."""

    model: str
    folder: Path
    """The folder of the model's weights."""
    tokens: int
    budgets: "Budgets"
    history: Sequence["Recall"]
    """The measurements of each round."""
    keys: dict[str, list[float]]
    """The log-probability of the pass key at each of `DEPTHS`, for "dense", "before" and "after"."""

    def write(self, folder: Path) -> Path:
        """Write the budgets and the recall of each head to the checkpoint's file. -> its path"""
        from longread.kernels.sparse.budgets import FILE

        path = folder / FILE
        self.budgets.write(path, self.after.recall.tolist())
        return path

    def draw(self, path: Path) -> Path | None:
        """Draw recall and density of each layer and head, before and after. -> the path; None without matplotlib"""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None
        figure = Figure(figsize=(10, 5), layout="constrained")
        axes = figure.subplots(2, 2)
        for column, (name, found) in enumerate((("before", self.before), ("after", self.after))):
            for axis, what, values in zip(
                axes[:, column], ("recall", "share of keys"), (found.recall, found.density), strict=True
            ):
                mesh = axis.imshow(values.T.tolist(), vmin=0, vmax=1, aspect="auto", cmap="viridis")
                axis.set_title(f"{what} {name}: {float(values.mean()):.3f}")
                axis.set_xlabel("layer")
                axis.set_ylabel("head")
                figure.colorbar(mesh, ax=axis)
        figure.savefig(path)
        return path

    @property
    def before(self) -> "Recall":
        return self.history[0]

    @property
    def after(self) -> "Recall":
        return self.history[-1]


def calibrate(
    model: str | Path,
    text: str | None,
    *,
    length: int,
    method: Method | None = None,
    target: float = 0.95,
    rounds: int = 4,
    threshold: int | None = None,
    device: str | None = None,
    on_event: Callable[[ObtainEvent], None] | None = None,
    on_step: Callable[[str, int, int], None] | None = None,
) -> SparsityCalibration:
    """Find budgets with which each head of a model reaches a recall of `target` on `text`.

    Args:
        model: see `longread.serving.models.catalog.obtain`.
        text: a text of the kind that the model will read, repeated if it is too short. None generates prose, whose
            attention is simpler than that of real text.
        length: the tokens that are read: as many as the prompts will have.
        method: start with the default budgets of this method; None starts with the checkpoint's own, or else adaptive.
        target: the recall.
        rounds: the most rounds of reading the text and refining the budgets.
        threshold: prompts up to this long are dense; None is the checkpoint's own, or the length it was trained on.
        device: see `Engine.load`.
        on_event: called for downloads and conversion.
        on_step: called with the current step, tokens read, and tokens in total.

    Raises:
        ModelUnusable: the model cannot run here, or no chunk of so short a prompt would be sparse.
    """
    from longread.kernels import KernelError
    from longread.kernels.calibrate import calibrate as refine_until

    from .kv_cache import KVBuffer

    text = generated_prose(length) if text is None else text
    if not text.strip():
        raise ModelUnusable("The calibration text is empty. Use a text of the kind that the model will read.")
    checkpoint = load_checkpoint(model, device=device, dtype=None, window=None, on_event=on_event)
    if length > checkpoint.window:
        checkpoint = load_checkpoint(model, device=device, dtype=None, window=length, on_event=on_event)
    loaded = checkpoint.model
    device_type = loaded.device.type
    start = _initial_budgets(checkpoint, method, threshold)
    prompt, answers = _with_pass_keys(checkpoint, text, length)
    cache = KVBuffer.of(loaded, length + 256)

    def empty_cache() -> "KVBuffer":
        cache.reserve(length + 256, keep=0)
        return cache

    def step(what: str) -> Callable[[int, int], None] | None:
        return None if on_step is None else partial(on_step, what)

    chunk = SPARSE_CHUNK[device_type]
    keys: dict[str, list[float]] = {}
    try:
        _use(loaded, start)
        budgets, history = refine_until(
            loaded, [prompt], chunk=chunk, target=target, rounds=rounds, cache=empty_cache, on_chunk=step("recall")
        )
        keys["dense"] = _ask(checkpoint, cache, answers)  # the last round has filled the cache, densely
        for name, used in (("before", start), ("after", budgets)):
            _use(loaded, used)
            _read(loaded, empty_cache(), prompt, chunk, step(f"pass keys, {name}"))
            keys[name] = _ask(checkpoint, cache, answers)
    except KernelError as error:
        raise ModelUnusable(f"{checkpoint.name}: {error}.") from error
    return SparsityCalibration(checkpoint.name, checkpoint.folder, len(prompt), budgets, history, keys)


def generated_prose(tokens: int) -> str:
    """Prose about people, places and sums of at least about so many tokens; always the same."""
    rng, lines = random.Random(0), []
    people = ("Anna", "the miller", "Captain Reyes", "her brother", "Dr. Osei", "an old clerk", "Mei", "the council")
    deeds = ("wrote to", "waited for", "argued with", "paid", "remembered", "visited", "owed", "had never trusted")
    places = ("in Lisbon", "by the river", "at the court house", "on the ridge", "in the archive", "near Tromsø")
    things = ("a letter", "two maps", "the lease", "a brass clock", "some grain", "the minutes", "an unsigned bill")
    while len(lines) * 12 < tokens:
        first, second = rng.sample(people, 2)
        number = rng.randrange(2, 9000)
        lines.append(
            f"{first[0].upper()}{first[1:]} {rng.choice(deeds)} {second} {rng.choice(places)} about "
            f"{rng.choice(things)}, which in {1700 + number % 250} had cost {number} crowns."
        )
    return "\n".join(" ".join(lines[at : at + 6]) for at in range(0, len(lines), 6))


def _initial_budgets(checkpoint: Checkpoint, method: Method | None, threshold: int | None) -> "Budgets":
    from longread.kernels import Budgets
    from longread.kernels.sparse.adaptive import GPU_BLOCKS
    from longread.kernels.sparse.budgets import DEFAULT

    config, own = checkpoint.model.config, checkpoint.budgets
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    if threshold is None:
        threshold = own.threshold if own else int(config.max_position_embeddings)
    if own is not None and method is None:
        return replace(own, threshold=threshold)
    if method == "fixed":
        return Budgets.uniform(layers, heads, vertical=DEFAULT[0], slash=DEFAULT[1], threshold=threshold)
    blocks = GPU_BLOCKS if checkpoint.model.device.type == "cuda" else {}
    return Budgets.adaptive(layers, heads, threshold=threshold, **blocks)


def _use(model: Any, budgets: "Budgets") -> None:
    from longread.kernels.transformers_patch import attentions

    for layer in attentions(model):
        layer.budgets = budgets


def _with_pass_keys(
    checkpoint: Checkpoint, text: str, length: int
) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
    """(the text with a pass key at each depth, the question and answer for each key), in tokens."""
    backend = checkpoint.tokenizer.backend

    def encode(piece: str) -> list[int]:
        return backend.encode(piece, add_special_tokens=False).ids

    body = encode(text)
    body = (body * -(-length // max(len(body), 1)))[:length]
    answers = []
    for seed, (name, depth) in enumerate(zip(_NAMES, DEPTHS, strict=True)):
        digits = str(random.Random(seed).randrange(10_000, 100_000))
        needle = encode(f"\n\nThe pass key of {name} is {digits}. Remember: the pass key of {name} is {digits}.\n\n")
        at = int(depth * (length - len(needle)))
        body[at : at + len(needle)] = needle
        answers.append((encode(_ASKED.format(name=name)), encode(f" {digits}")))
    return body, answers


def _read(
    model: Any, cache: "KVBuffer", prompt: list[int], chunk: int, report: Callable[[int, int], None] | None
) -> None:
    import torch

    from longread.kernels.transformers_patch import with_cache

    with torch.inference_mode():
        for at in range(0, len(prompt), chunk):
            ids = torch.tensor([prompt[at : at + chunk]], device=model.device)
            model.base_model(input_ids=ids, **with_cache(model.base_model, cache))
            if report:
                report(min(at + chunk, len(prompt)), len(prompt))


def _ask(checkpoint: Checkpoint, cache: "KVBuffer", answers: list[tuple[list[int], list[int]]]) -> list[float]:
    """The log-probability of each answer after the cached prompt and its question. The cache is left unchanged."""
    import torch

    from longread.kernels.transformers_patch import with_cache

    model, found, length = checkpoint.model, [], cache.get_seq_length()
    with torch.inference_mode():
        for question, answer in answers:
            ids = torch.tensor([question + answer], device=model.device)
            hidden = model.base_model(input_ids=ids, **with_cache(model.base_model, cache)).last_hidden_state
            cache.truncate(length)
            log_probabilities = model.lm_head(hidden[0, -len(answer) - 1 : -1]).float().log_softmax(-1)
            found.append(float(log_probabilities.gather(1, torch.tensor(answer, device=model.device)[:, None]).sum()))
    return found
