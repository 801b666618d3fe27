"""Dual Chunk Attention: the positions at which queries and keys are rotated, and the scale of their logits.

DCA (arXiv 2402.17463) lets a model attend far beyond the length it was trained on: no rotation is ever by more than
`chunk_size` positions. The sequence is divided into chunks of S = chunk_size - local_size tokens. Key j is rotated
once, at j mod S, so it can be cached; query i is rotated anew for each *region* of keys it attends to:

| region     | keys                     | query position                   |
|------------|--------------------------|----------------------------------|
| intra      | of the query's own chunk | i mod S                          |
| successive | of the previous chunk    | min((i mod S) + S, chunk_size)   |
| inter      | of all earlier chunks    | chunk_size                       |

One softmax goes over all three. With one chunk DCA is RoPE; plain RoPE is the spec whose only chunk never ends.

This is the only definition: the reference, the CPU and the Triton implementations all take it from here.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .errors import KernelError

INTRA, SUCCESSIVE, INTER = 0, 1, 2
REGIONS = (INTRA, SUCCESSIVE, INTER)

Temperature = Literal["none", "query", "prompt"]

_ENDLESS = 1 << 30
"""The chunk of plain RoPE: longer than any sequence, and safe to add to a position in 32 bits."""


@dataclass(frozen=True)
class RopeScaling:
    """A change of RoPE's frequencies, as in Hugging Face's `rope_parameters`.

    "linear" (positional interpolation), "yarn" (arXiv 2309.00071, with attention factor) and "llama3".
    """

    kind: Literal["linear", "yarn", "llama3"]
    factor: float
    original_window: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    truncate: bool = True

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], window: int) -> "RopeScaling | None":
        """From the dictionary in a Hugging Face config; None when it changes nothing.

        Args:
            window: `max_position_embeddings`, which stands in for a missing `original_max_position_embeddings`.

        Raises:
            KernelError: a kind of scaling that the kernels do not support.
        """
        kind = parameters.get("rope_type") or parameters.get("type") or "default"
        if kind in ("default", "mrope"):
            return None
        if kind not in ("linear", "yarn", "llama3"):
            raise KernelError(f"RoPE scaling {kind!r} is not supported; there are default, linear, yarn and llama3")
        if parameters.get("mscale") or parameters.get("mscale_all_dim"):
            raise KernelError("YaRN with mscale, as in DeepSeek's models, is not supported")
        given = {
            name: parameters[name]
            for name in ("low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow", "attention_factor")
            if parameters.get(name) is not None
        }
        return cls(
            kind=kind,
            factor=float(parameters["factor"]),
            original_window=int(parameters.get("original_max_position_embeddings") or window),
            truncate=parameters.get("truncate", True),
            **given,
        )


@dataclass(frozen=True)
class DCASpec:
    """Positions, rotations and softmax scales of one model. Immutable and hashable.

    Args:
        head_dim: D.
        rope_base: RoPE's theta.
        rope_scaling: a change of its frequencies, if any.
        chunk_size: c; None is plain RoPE.
        local_size: w. Chunks have c - w tokens, and the last w tokens keep their exact distance across chunks.
        trained_window: the length the model was trained on; attention temperature applies beyond it.
        temperature: logits are multiplied by m², m = 0.1 ln(max(1, n / trained_window)) + 1. "query": n = i + 1 for
            query i, which is causal, so nothing that is cached depends on later tokens. "prompt": n is the length of
            the whole prompt, as in the first public implementation. "none": m = 1.
        softmax_scale: 1 / sqrt(head_dim) when None.

    Raises:
        KernelError: invalid sizes; the message names them.
    """

    head_dim: int
    rope_base: float
    rope_scaling: RopeScaling | None = None
    chunk_size: int | None = None
    local_size: int = 0
    trained_window: int | None = None
    temperature: Temperature = "none"
    softmax_scale: float | None = None
    text: str = field(init=False, repr=False, compare=False)
    """All of it as text, which a torch operator can take as an argument."""

    def __post_init__(self) -> None:
        if self.head_dim < 2 or self.head_dim % 2:
            raise KernelError(f"head_dim is {self.head_dim}; RoPE needs an even number")
        if self.rope_base <= 1:
            raise KernelError(f"rope_base is {self.rope_base}; it is greater than 1")
        if self.chunk_size is not None and not 0 <= self.local_size < self.chunk_size < _ENDLESS:
            raise KernelError(
                f"chunk_size is {self.chunk_size} and local_size {self.local_size}; "
                "local_size is not negative and smaller than chunk_size"
            )
        if self.temperature not in get_args(Temperature):
            raise KernelError(f"temperature is {self.temperature!r}; it is {', '.join(get_args(Temperature))}")
        if self.temperature != "none" and not self.trained_window:
            raise KernelError(f"temperature {self.temperature!r} needs trained_window")
        given = {name: value for name, value in self.__dict__.items() if name != "rope_scaling"}
        scaling = asdict(self.rope_scaling) if self.rope_scaling else None
        object.__setattr__(self, "text", json.dumps({**given, "rope_scaling": scaling}))

    @classmethod
    def from_config(cls, config: Any, *, temperature: Temperature | None = None) -> "DCASpec":
        """Read a Hugging Face config (an object or a dictionary), with or without `dual_chunk_attention_config`.

        Args:
            temperature: None is "query" if the config has DCA's trained window, else "none".

        Raises:
            KernelError: an unsupported kind of RoPE, rotations of only a part of each head, or invalid sizes.
        """
        get = config.get if isinstance(config, Mapping) else partial(_attribute, config)
        rope = get("rope_parameters") or get("rope_scaling") or {}
        base = rope.get("rope_theta") or get("rope_theta") or 10_000.0
        if (rope.get("partial_rotary_factor") or get("partial_rotary_factor") or 1.0) != 1.0:
            raise KernelError("models that rotate only a part of each head are not supported")
        window = int(get("max_position_embeddings") or 0)
        dca = get("dual_chunk_attention_config") or {}
        missing = [name for name in ("chunk_size", "local_size") if dca and dca.get(name) is None]
        if missing:
            raise KernelError(f"dual_chunk_attention_config has no {' and no '.join(missing)}")
        return cls(
            head_dim=int(get("head_dim") or int(get("hidden_size", 0)) // int(get("num_attention_heads", 1))),
            rope_base=float(base),
            rope_scaling=RopeScaling.from_parameters(rope, window),
            chunk_size=dca.get("chunk_size"),
            local_size=dca.get("local_size", 0),
            trained_window=dca.get("original_max_position_embeddings") or window or None,
            temperature=temperature or ("query" if dca.get("original_max_position_embeddings") else "none"),
        )

    @classmethod
    @lru_cache(maxsize=64)
    def of_text(cls, text: str) -> "DCASpec":
        """The spec whose `text` this is."""
        fields = json.loads(text)
        scaling = fields.pop("rope_scaling")
        return cls(**fields, rope_scaling=RopeScaling(**scaling) if scaling else None)

    @property
    def span(self) -> int:
        """S, the tokens of a chunk."""
        return _ENDLESS if self.chunk_size is None else self.chunk_size - self.local_size

    @property
    def furthest(self) -> int:
        """c, the largest rotation of a query."""
        return _ENDLESS if self.chunk_size is None else self.chunk_size

    def region(self, query: Tensor, key: Tensor) -> Tensor:
        """INTRA, SUCCESSIVE or INTER for token indices that broadcast against each other; key ≤ query."""
        return (query // self.span - key // self.span).clamp(0, 2)

    def key_positions(self, key: Tensor) -> Tensor:
        """The positions at which keys of these indices are rotated: j mod S."""
        return key % self.span

    def query_positions(self, query: Tensor, region: int, *, continuous: bool = False) -> Tensor:
        """The positions at which queries of these indices are rotated for the keys of a region.

        Args:
            continuous: without DCA's limit, so that distances keep their order: (i mod S) + S and (i mod S) + c. Only
                for scoring keys (Qwen2.5-1M report, section 4.2).
        """
        own = query % self.span
        if region == INTRA:
            return own
        if region == SUCCESSIVE:
            return own + self.span if continuous else (own + self.span).clamp(max=self.furthest)
        return own + self.furthest if continuous else torch.full_like(own, self.furthest)

    def scales(self, query: Tensor, prompt_tokens: int | None = None) -> Tensor:
        """The scale of the logits of queries of these indices: m² / sqrt(D), float64.

        Args:
            prompt_tokens: the length of the whole prompt, for the temperature "prompt".
        """
        base = self.base_scale
        if self.temperature == "none":
            return torch.full_like(query, base, dtype=torch.float64)
        assert self.trained_window
        if self.temperature == "prompt":
            if prompt_tokens is None:
                raise KernelError("temperature 'prompt' needs prompt_tokens, the length of the whole prompt")
            length = torch.full_like(query, prompt_tokens, dtype=torch.float64)
        else:
            length = (query + 1).double()
        return base * (0.1 * (length / self.trained_window).clamp(min=1.0).log() + 1) ** 2

    @property
    def base_scale(self) -> float:
        """The scale without temperature. It includes YaRN's attention factor twice, for q and for k."""
        return (self.softmax_scale or self.head_dim**-0.5) * self.attention_factor**2

    @property
    def attention_factor(self) -> float:
        """YaRN's factor on the rotated queries and keys; 1 for other scalings."""
        scaling = self.rope_scaling
        if scaling is None or scaling.kind != "yarn":
            return 1.0
        if scaling.attention_factor is not None:
            return scaling.attention_factor
        return 1.0 if scaling.factor <= 1 else 0.1 * math.log(scaling.factor) + 1.0

    @cached_property
    def inverse_frequencies(self) -> Tensor:
        """theta_d of RoPE, [D / 2] float32 on the CPU."""
        exponents = torch.arange(0, self.head_dim, 2, dtype=torch.int64).float() / self.head_dim
        frequencies = 1.0 / (self.rope_base**exponents)
        return frequencies if self.rope_scaling is None else self._scaled(frequencies, self.rope_scaling)

    def angles(self, positions: Tensor) -> Tensor:
        """Rotation angles, [*positions, D / 2] float32.

        The product is rounded to float32, as in the code that the models were trained with: at position 250,000
        rounding changes an angle by up to 0.01, and the models have learned the rounded ones.
        """
        return positions.float()[..., None] * self.inverse_frequencies.to(positions.device)

    def tables(self, length: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """cos and sin of every rotation that a sequence of `length` tokens needs, [rows, D / 2] float32 each.

        Row p is position p. They are cached, and shared by all sequences on a device.
        """
        rows = length if length <= self.span else self.span + self.furthest
        return _tables(self, 1 << max(rows - 1, 1023).bit_length(), torch.device(device))

    def _scaled(self, frequencies: Tensor, scaling: RopeScaling) -> Tensor:
        if scaling.kind == "linear":
            return frequencies / scaling.factor
        if scaling.kind == "llama3":
            wavelength = 2 * math.pi / frequencies
            turns = scaling.original_window / wavelength
            low, high = scaling.low_freq_factor, scaling.high_freq_factor
            kept = ((turns - low) / (high - low)).clamp(0, 1)
            return frequencies * (kept + (1 - kept) / scaling.factor)
        # YaRN: dimensions that rotate more than beta_fast times within the original window are kept, those that rotate
        # less than beta_slow times are interpolated.
        low, high = (
            self.head_dim * math.log(scaling.original_window / (turns * 2 * math.pi)) / (2 * math.log(self.rope_base))
            for turns in (scaling.beta_fast, scaling.beta_slow)
        )
        if scaling.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, self.head_dim - 1)
        dimensions = torch.arange(self.head_dim // 2, dtype=torch.float32)
        kept = 1 - ((dimensions - low) / max(high - low, 0.001)).clamp(0, 1)
        return frequencies * kept + frequencies / scaling.factor * (1 - kept)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [..., D] as RoPE does, by cos and sin [..., D / 2]: dimension d is rotated with d + D / 2."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _attribute(config: object, name: str, default: Any = None) -> Any:
    return getattr(config, name, default)


@lru_cache(maxsize=8)
def _tables(spec: DCASpec, rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    angles = spec.angles(torch.arange(rows, device=device))
    return angles.cos(), angles.sin()
