"""Sparsity of a whole model: budgets for every layer and head, and `sparse_attention_config.json`, their file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import KernelError
from .selection import BLOCK, FORCED_COLUMNS, LAST_Q, Sparsity

FILE = "sparse_attention_config.json"
THRESHOLD = 32_768
LEAST_QUERIES = 1_024

DEFAULT = (1000, 6096)
"""(vertical, slash) of every head of a model that asks for sparse attention and brings no budgets."""

_PATTERN = "vertical_and_slash"
_BESIDE_FORCED = 100
"""Columns added to a head whose budget is only the forced ones, as the published engines do when they read the file."""


@dataclass(frozen=True)
class Budgets:
    """How sparse each layer's attention is, and when.

    Args:
        layers: the budgets of each layer's query heads.
        threshold: sequences up to this long are dense.
        least_queries: chunks with fewer queries are dense: a short question after a long cached prefix costs little,
            and its few queries are poor witnesses.

    Raises:
        KernelError: layers with different numbers of heads.
    """

    layers: tuple[Sparsity, ...]
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
        layer = Sparsity.uniform(heads, vertical=vertical, slash=slash, block=block)
        return cls((layer,) * layers, threshold, least_queries)

    @classmethod
    def read(
        cls, path: Path | str, *, threshold: int = THRESHOLD, least_queries: int = LEAST_QUERIES, last_q: int = LAST_Q
    ) -> "Budgets":
        """Read a `sparse_attention_config.json`: a list over layers of {"head": ["vertical_and_slash", v, s, score]}.

        Raises:
            KernelError: it is not of that form; the message names the layer and head.
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
        """`read`, for what the file had in it. `origin` names it in messages."""
        if not isinstance(layers, list) or not layers:
            raise KernelError(f"{origin} is not a list over layers")
        read = [_layer(layer, f"{origin}, layer {index}", last_q) for index, layer in enumerate(layers)]
        return cls(tuple(read), threshold, least_queries)

    @classmethod
    def from_config(
        cls, dual_chunk: Mapping[str, Any], folder: Path | str | None, *, layers: int, heads: int
    ) -> "Budgets | None":
        """Those of a checkpoint, from its `dual_chunk_attention_config` and the file beside it; None when it is dense.

        Args:
            folder: where the file may lie.
            layers, heads: of the model, query heads.

        Raises:
            KernelError: they are damaged, or of another model.
        """
        enabled = dual_chunk.get("sparse_attention_enabled")
        if not dual_chunk or enabled is False:
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
            layer = Sparsity.uniform(heads, vertical=DEFAULT[0], slash=DEFAULT[1], last_q=settings["last_q"])
            return cls((layer,) * layers, settings["threshold"])
        else:
            return None
        if len(budgets.layers) != layers or budgets.layers[0].heads != heads:
            raise KernelError(
                f"{origin} is for {len(budgets.layers)} layers of {budgets.layers[0].heads} heads; the model has "
                f"{layers} of {heads}"
            )
        return budgets

    def write(self, path: Path | str, recall: Sequence[Sequence[float]] | None = None) -> None:
        """Write the file that `read` reads. `recall`, of each layer and head, goes where the format has a score."""
        layers = [
            {
                str(head): [_PATTERN, v, s, float(recall[index][head]) if recall is not None else 0.0]
                for head, (v, s) in enumerate(zip(layer.vertical, layer.slash, strict=True))
            }
            for index, layer in enumerate(self.layers)
        ]
        text = "[\n" + ",\n".join(json.dumps(layer) for layer in layers) + "\n]\n"
        Path(path).write_text(text, encoding="utf-8")

    def apply(self, *, queries: int, length: int) -> bool:
        """Whether a chunk of so many queries at the end of so many tokens is sparse."""
        return length > self.threshold and queries >= self.least_queries

    def at(self, layer: int, *, queries: int, length: int) -> Sparsity | None:
        """A layer's budgets for such a chunk; None when it is to be dense."""
        return self.layers[layer] if self.apply(queries=queries, length=length) else None

    def of_heads(self, heads: slice) -> "Budgets":
        """Those of some of the heads: what a tensor-parallel rank needs."""
        return replace(self, layers=tuple(layer.of_heads(heads) for layer in self.layers))


def _layer(layer: object, where: str, last_q: int) -> Sparsity:
    heads = layer
    if isinstance(layer, dict):
        try:
            heads = [layer[str(head)] for head in range(len(layer))]
        except KeyError as error:
            raise KernelError(f"{where}: the heads are not 0 to {len(layer) - 1}: there is no {error}") from None
    if not isinstance(heads, list) or not heads:
        raise KernelError(f"{where} has no heads")
    vertical, slash = [], []
    for head, pattern in enumerate(heads):
        match pattern:
            case [str(kind), int(v), int(s), *_] if kind == _PATTERN:
                vertical.append(v + _BESIDE_FORCED if v == FORCED_COLUMNS else v)
                slash.append(s)
            case _:
                raise KernelError(f'{where}, head {head} is {pattern!r}; it is ["{_PATTERN}", v, s, score]')
    return Sparsity(tuple(vertical), tuple(slash), last_q)
