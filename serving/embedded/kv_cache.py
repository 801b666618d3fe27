"""The K/V cache of the embedded engine: one buffer that is written in place."""

from typing import Any, Self

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from longread.errors import ModelUnusable

from ..device import free_memory

_ROUND = 1024


class KVBuffer(Cache):
    """K and V of one sequence in one tensor, [layers, 2, Hkv, capacity, D].

    The models of transformers call `update` for each layer, and get back a view, never a copy. The buffer grows only in
    `reserve`, which the engine calls once for each answer, with all tokens that it can need.
    """

    def __init__(self, *, layers: int, heads: int, dim: int, window: int, dtype: torch.dtype, device: torch.device):
        self._shape = (layers, 2, heads, window, dim)
        self._dtype = dtype
        self._device = device
        self._layers = [_Layer() for _ in range(layers)]
        super().__init__(layers=list(self._layers))
        self._use(self._allocate(0))

    @classmethod
    def of(cls, model: Any, window: int) -> Self:
        """An empty buffer for a model of transformers, for at most `window` tokens."""
        config = model.config
        return cls(
            layers=config.num_hidden_layers,
            heads=config.num_key_value_heads,
            dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            window=window,
            dtype=model.dtype,
            device=model.device,
        )

    @property
    def capacity(self) -> int:
        """Tokens that fit without growing."""
        return self._buffer.shape[3]

    @property
    def bytes_per_token(self) -> int:
        layers, two, heads, _, dim = self._shape
        return layers * two * heads * dim * self._dtype.itemsize

    def reserve(self, tokens: int, *, keep: int) -> None:
        """Make the buffer large enough for `tokens`, and keep the first `keep`.

        It grows by at least half, so that a conversation is not copied in every turn. With nothing to keep, the old
        buffer is freed before the new one is allocated.

        Raises:
            ModelUnusable: there is not enough memory.
        """
        if tokens > self.capacity:
            wanted = max(tokens, self.capacity * 3 // 2)
            wanted = min(-(-wanted // _ROUND) * _ROUND, self._shape[3])
            if not keep:
                self._use(self._allocate(0))
            grown = self._allocate(wanted)
            grown[:, :, :, :keep] = self._buffer[:, :, :, :keep]
            self._use(grown)
        self.truncate(keep)

    def truncate(self, length: int) -> None:
        """Drop all but the first `length` tokens."""
        for layer in self._layers:
            layer.length = length

    def read(self, start: int, end: int) -> Tensor:
        """A copy of K and V of tokens `start` to `end`, [layers, 2, Hkv, end - start, D], in main memory."""
        return self._buffer[:, :, :, start:end].to("cpu", copy=True, memory_format=torch.contiguous_format)

    def fits(self, block: Tensor) -> bool:
        """Whether a block has the shape and type of what `read` returns."""
        layers, two, heads, _, dim = self._shape
        return block.dtype == self._dtype and block.shape[:3] == (layers, two, heads) and block.shape[4:] == (dim,)

    def write(self, start: int, block: Tensor) -> None:
        """Write what `read` returned. `truncate` then sets the length to include it."""
        self._buffer[:, :, :, start : start + block.shape[3]] = block

    def _allocate(self, capacity: int) -> Tensor:
        layers, two, heads, _, dim = self._shape
        needed = capacity * self.bytes_per_token
        free = free_memory(self._device)
        if needed > free:
            raise ModelUnusable(
                f"K and V of {capacity:,} tokens take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free on "
                f"{self._device}. Shorten the prompt, or serve the model on another machine."
            )
        return torch.empty((layers, two, heads, capacity, dim), dtype=self._dtype, device=self._device)

    def _use(self, buffer: Tensor) -> None:
        self._buffer = buffer
        for layer, (keys, values) in zip(self._layers, buffer, strict=True):
            layer.keys, layer.values = keys[None], values[None]


class _Layer(CacheLayerMixin):
    """One layer's part of the buffer: keys and values [1, Hkv, capacity, D], of which `length` tokens are filled."""

    length = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        assert self.keys is not None
        assert self.values is not None
        start, end = self.length, self.length + key_states.shape[2]
        self.keys[:, :, start:end] = key_states
        self.values[:, :, start:end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise AssertionError("the buffer is allocated from the start")

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1
