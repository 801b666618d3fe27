"""Budgets: the sparsity of every layer and head of a model, and its file, `sparse_attention_config.json`.

Its published form is a list over layers of {"HEAD": ["vertical_and_slash", v, s, score]}. For adaptive sparsity the
entries are ["adaptive", keep, probes, query block, key block, score].
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import KernelError
from .adaptive import KEEP, Adaptive
from .pattern import Pattern
from .vertical_slash import BLOCK, FORCED_COLUMNS, LAST_Q, VerticalSlash

FILE = "sparse_attention_config.json"
THRESHOLD = 32_768
LEAST_QUERIES = 1_024

DEFAULT = (1000, 6096)
"""(vertical, slash) of every head on a GPU, for a model that enables sparse attention and has no budgets."""

_FIXED = "vertical_and_slash"
_ADAPTIVE = "adaptive"
_BESIDE_FORCED = 100
"""Columns added to a head whose budget covers only the forced ones, as the published engines do on reading the file."""


@dataclass(frozen=True)
class Budgets:
    """How sparse each layer's attention is, and for which chunks.

    Args:
        layers: the pattern of each layer's query heads, by either method.
        threshold: sequences up to this long are dense.
        least_queries: chunks with fewer queries are dense: a short question after a long cached prefix costs little,
            and its few queries are a poor sample.

    Raises:
        KernelError: layers with different numbers of heads.
    """

    layers: tuple[Pattern, ...]
    threshold: int = THRESHOLD
    least_queries: int = LEAST_QUERIES

    def __post_init__(self) -> None:
        heads = {layer.heads for layer in self.layers}
        if len(heads) != 1:
            raise KernelError(f"the layers have budgets for {sorted(heads)} heads; all have the same number")

    @classmethod
    def uniform(
        cls,
        layers: int,
        heads: int,
        *,
        vertical: int,
        slash: int,
        threshold: int = THRESHOLD,
        least_queries: int = LEAST_QUERIES,
        block: int = BLOCK,
    ) -> "Budgets":
        """The same for every head."""
        layer = VerticalSlash.uniform(heads, vertical=vertical, slash=slash, block=block)
        return cls((layer,) * layers, threshold, least_queries)

    @classmethod
    def adaptive(
        cls,
        layers: int,
        heads: int,
        keep: float = KEEP,
        *,
        threshold: int = THRESHOLD,
        least_queries: int = LEAST_QUERIES,
        **options: int,
    ) -> "Budgets":
        """Adaptive sparsity, the same for every head. `options` are those of `Adaptive`."""
        return cls((Adaptive.uniform(heads, keep, **options),) * layers, threshold, least_queries)

    @classmethod
    def default(cls, layers: int, heads: int, device: str, *, threshold: int, last_q: int = LAST_Q) -> "Budgets":
        """The budgets of a model that enables sparse attention and has none of its own.

        Args:
            device: adaptive on "cpu"; vertical-slash on "cuda", where adaptive was not measured yet.
        """
        if device == "cpu":
            return cls.adaptive(layers, heads, threshold=threshold)
        layer = VerticalSlash.uniform(heads, vertical=DEFAULT[0], slash=DEFAULT[1], last_q=last_q)
        return cls((layer,) * layers, threshold)

    @classmethod
    def read(
        cls, path: Path | str, *, threshold: int = THRESHOLD, least_queries: int = LEAST_QUERIES, last_q: int = LAST_Q
    ) -> "Budgets":
        """Read a `sparse_attention_config.json`; the module docstring has its form.

        Raises:
            KernelError: it has another form; the message names the layer and head.
        """
        try:
            layers = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise KernelError(f"{path} cannot be read: {error}") from error
        return cls.from_layers(layers, str(path), threshold=threshold, least_queries=least_queries, last_q=last_q)

    @classmethod
    def from_layers(
        cls,
        layers: object,
        origin: str,
        *,
        threshold: int = THRESHOLD,
        least_queries: int = LEAST_QUERIES,
        last_q: int = LAST_Q,
    ) -> "Budgets":
        """Like `read`, from the parsed JSON. `origin` names the file in messages."""
        if not isinstance(layers, list) or not layers:
            raise KernelError(f"{origin} is not a list over layers")
        read = [_layer(layer, f"{origin}, layer {index}", last_q) for index, layer in enumerate(layers)]
        return cls(tuple(read), threshold, least_queries)

    @classmethod
    def from_config(
        cls, dual_chunk: Mapping[str, Any], folder: Path | str | None, *, layers: int, heads: int, device: str
    ) -> "Budgets | None":
        """Read a checkpoint's budgets from `dual_chunk_attention_config` and the file beside it; None when it is dense.

        Args:
            dual_chunk: empty for a model without that config; the file is read in any case.
            folder: the folder of the file, if there is one.
            layers, heads: the model's layers and query heads.
            device: "cpu" or "cuda", where it runs: see `default`.

        Raises:
            KernelError: they are damaged, or belong to another model.
        """
        enabled = dual_chunk.get("sparse_attention_enabled")
        if enabled is False:
            return None
        settings = {
            "threshold": dual_chunk.get("sparse_attention_threshold", THRESHOLD),
            "last_q": dual_chunk.get("sparse_attention_last_q", LAST_Q),
        }
        path = None if folder is None else Path(folder) / FILE
        if patterns := dual_chunk.get("sparse_attention_config"):
            origin = "sparse_attention_config" if folder is None else f"{folder}/config.json"
            budgets = cls.from_layers(patterns, origin, **settings)
        elif path is not None and path.is_file():
            origin = str(path)
            budgets = cls.read(path, **settings)
        elif enabled:
            return cls.default(layers, heads, device, **settings)
        else:
            return None
        if len(budgets.layers) != layers or budgets.layers[0].heads != heads:
            raise KernelError(
                f"{origin} is for {len(budgets.layers)} layers of {budgets.layers[0].heads} heads; the model has "
                f"{layers} of {heads}"
            )
        return budgets

    def write(self, path: Path | str, recall: Sequence[Sequence[float]] | None = None) -> None:
        """Write the file that `read` reads. `recall[layer][head]` becomes the score."""
        layers = [
            {
                str(head): [*entry, float(recall[index][head]) if recall is not None else 0.0]
                for head, entry in enumerate(_entries(layer))
            }
            for index, layer in enumerate(self.layers)
        ]
        text = "[\n" + ",\n".join(json.dumps(layer) for layer in layers) + "\n]\n"
        Path(path).write_text(text, encoding="utf-8")

    def apply(self, *, queries: int, length: int) -> bool:
        """Whether a chunk of `queries` tokens at the end of a sequence of `length` is sparse."""
        return length > self.threshold and queries >= self.least_queries

    def at(self, layer: int, *, queries: int, length: int) -> Pattern | None:
        """A layer's pattern for such a chunk; None if the chunk is dense."""
        return self.layers[layer] if self.apply(queries=queries, length=length) else None

    def of_heads(self, heads: slice) -> "Budgets":
        """The budgets of some of the heads: what a tensor-parallel rank needs."""
        return replace(self, layers=tuple(layer.of_heads(heads) for layer in self.layers))


def _entries(layer: Pattern) -> list[list[Any]]:
    """The entry of each head in the file, without the score."""
    if isinstance(layer, Adaptive):
        return [[_ADAPTIVE, keep, layer.probes, layer.query_block, layer.key_block] for keep in layer.keep]
    return [[_FIXED, v, s] for v, s in zip(layer.vertical, layer.slash, strict=True)]


def _layer(layer: object, where: str, last_q: int) -> Pattern:
    heads = layer
    if isinstance(layer, dict):
        try:
            heads = [layer[str(head)] for head in range(len(layer))]
        except KeyError as error:
            raise KernelError(f"{where}: the heads are not 0 to {len(layer) - 1}: there is no {error}") from None
    if not isinstance(heads, list) or not heads:
        raise KernelError(f"{where} has no heads")
    fixed: list[tuple[int, int]] = []
    adaptive: list[tuple[float, tuple[int, int, int]]] = []
    for head, pattern in enumerate(heads):
        match pattern:
            case [str(kind), int(v), int(s), *_] if kind == _FIXED:
                fixed.append((v + _BESIDE_FORCED if v == FORCED_COLUMNS else v, s))
            case [str(kind), float() | int() as keep, int(w), int(q), int(k), *_] if kind == _ADAPTIVE:
                adaptive.append((float(keep), (w, q, k)))
            case _:
                raise KernelError(
                    f'{where}, head {head} is {pattern!r}; it is ["{_FIXED}", v, s, score] or ["{_ADAPTIVE}", keep, '
                    "probes, query block, key block, score]"
                )
    if not adaptive:
        return VerticalSlash(tuple(v for v, _ in fixed), tuple(s for _, s in fixed), last_q)
    if fixed or len({options for _, options in adaptive}) != 1:
        raise KernelError(f"{where} has heads of different methods, probes or blocks; a layer has one of each")
    return Adaptive(tuple(keep for keep, _ in adaptive), *adaptive[0][1])
