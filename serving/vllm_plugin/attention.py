"""The attention backend for vLLM: `kernels.ops` on its paged cache."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from vllm.config import VllmConfig, get_current_vllm_config
from vllm.distributed.parallel_state import get_pp_group, get_tensor_model_parallel_rank
from vllm.logger import init_logger
from vllm.platforms import current_platform
from vllm.v1.attention.backend import (
    AttentionBackend,
    AttentionCGSupport,
    AttentionImpl,
    AttentionMetadata,
    AttentionMetadataBuilder,
    AttentionType,
    CommonAttentionMetadata,
    MultipleOf,
)
from vllm.v1.attention.backends.registry import AttentionBackendEnum
from vllm.v1.kv_cache_layout import KVCacheLayout

from longread.kernels import Batch, DCASpec, PagedKV, dca_prefill, dca_write
from longread.kernels.ops import observe
from longread.kernels.sparse.pattern import Pattern

from ..models.shape import SCORE_BYTES
from ..planning.planner import PAGE
from .constants import LOGGER
from .metrics import counters
from .settings import AttentionSettings

if TYPE_CHECKING:
    from vllm.v1.kv_cache_interface import KVCacheSpec

logger = init_logger(LOGGER)


def check_choice() -> None:
    """Raise ValueError if the user chose another backend: only this one computes Dual Chunk Attention."""
    config = get_current_vllm_config().attention_config
    for chosen in (config.backend, *(config.backend_per_kind or {}).values()):
        if chosen not in (None, AttentionBackendEnum.CUSTOM):
            raise ValueError(
                f"attention backend {chosen.name} was requested, but this model has dual_chunk_attention_config, which "
                "only longread's backend computes: remove --attention-backend"
            )


class DualChunkBackend(AttentionBackend):
    """The backend of layers with a `dual_chunk_attention_config`."""

    forward_includes_kv_cache_update = True
    supported_dtypes: ClassVar = [torch.float16, torch.bfloat16, torch.float32]
    supported_kv_cache_dtypes: ClassVar = ["auto", "float16", "bfloat16", "fp8", "fp8_e4m3"]

    @staticmethod
    def get_name() -> str:
        return AttentionBackendEnum.CUSTOM.name  # vLLM accepts only names from its own list

    @staticmethod
    def get_impl_cls() -> "type[DualChunkImpl]":
        return DualChunkImpl

    @staticmethod
    def get_builder_cls() -> "type[DualChunkMetadataBuilder]":
        return DualChunkMetadataBuilder

    @staticmethod
    def get_supported_kernel_block_sizes(kv_cache_spec: "KVCacheSpec | None" = None) -> list[int | MultipleOf]:
        return [MultipleOf(16)]

    @classmethod
    def get_preferred_block_size(cls, default_block_size: int) -> int:
        return PAGE

    @classmethod
    def supported_kv_cache_layouts(cls) -> tuple[KVCacheLayout, ...]:
        # By head first: consecutive pages are then a run of tokens, which the CPU reads without copying.
        by_page = KVCacheLayout.LBHNC
        return (KVCacheLayout.LHBNC, by_page) if current_platform.is_cpu() else (by_page,)


@dataclass
class DualChunkMetadata(AttentionMetadata):
    """The metadata of a step, which is the same for all layers."""

    tokens: int
    batch: Batch
    slots: Tensor
    """[tokens] int64, the slots for K and V in the cache."""
    positions: Tensor
    """[tokens] int32, the index of each token in its sequence."""
    sparse: list[int]
    """The indices of the sequences whose chunk is sparse."""
    watched: int
    """The layer whose recall is estimated in this step."""

    def sparsity(self, budgets: Pattern) -> list[Pattern | None] | None:
        """The pattern of each sequence in a layer with this one; None if all are dense."""
        if not self.sparse:
            return None
        return [budgets if index in self.sparse else None for index in range(len(self.batch.lengths))]


class DualChunkMetadataBuilder(AttentionMetadataBuilder[DualChunkMetadata]):
    """Builds the metadata of each step, and counts the chunks of prompts."""

    # Only decode steps are captured: their kernels read all lengths from the device.
    _cudagraph_support: ClassVar[AttentionCGSupport] = AttentionCGSupport.UNIFORM_SINGLE_TOKEN_DECODE

    def __init__(
        self, kv_cache_spec: "KVCacheSpec", layer_names: list[str], vllm_config: VllmConfig, device: torch.device
    ) -> None:
        super().__init__(kv_cache_spec, layer_names, vllm_config, device)
        most = vllm_config.scheduler_config.max_num_batched_tokens
        # Reused in each step, because a CUDA graph refers to its address.
        self._positions = torch.zeros(most, dtype=torch.int32, device=device)
        settings = AttentionSettings.of_engine(vllm_config)
        self._budgets, self._steps = settings.budgets, 0
        self._layers = vllm_config.model_config.hf_text_config.num_hidden_layers
        # All ranks read the same chunks: one of them counts.
        self._counts = get_pp_group().is_first_rank and get_tensor_model_parallel_rank() == 0
        # Computed now, since it must not happen while a graph is captured.
        settings.spec.tables(vllm_config.model_config.max_model_len, device)
        logger.info("longread: %s", settings.describe(most))

    def build(
        self, common_prefix_len: int, common_attn_metadata: CommonAttentionMetadata, fast_build: bool = False
    ) -> DualChunkMetadata:
        common = common_attn_metadata
        if common.causal is not True:
            raise NotImplementedError("longread computes causal attention only")
        sequences, tokens = common.num_reqs, common.num_actual_tokens
        starts, lengths = common.query_start_loc[: sequences + 1], common.seq_lens[:sequences]
        places = torch.arange(tokens, dtype=torch.int32, device=self.device)
        # The padding after the last query is counted to the last sequence, and has no slot.
        sequence = torch.searchsorted(starts[1:], places, right=True).clamp_(max=sequences - 1)
        ahead = lengths - starts[1:]  # position minus place
        positions = self._positions[:tokens]
        positions.copy_(places + ahead[sequence])
        host_starts = common.query_start_loc_cpu[: sequences + 1].tolist()
        queries = [end - start for start, end in pairwise(host_starts)]
        known = common.seq_lens_cpu_upper_bound  # exact where a prompt is read, and used only there
        may_be_sparse = self._budgets is not None and common.max_query_len >= self._budgets.least_queries
        if known is None and (may_be_sparse or lengths.device.type == "cpu"):
            known = lengths
        host = None if known is None else (host_starts, known[:sequences].tolist())
        sparse = [] if host is None else self._sparse(queries, host[1])
        self._steps += 1
        if self._counts:
            for index, read in enumerate(queries):
                if read > 1:
                    counters().chunk(read, sparse=index in sparse)
        return DualChunkMetadata(
            tokens=tokens,
            batch=Batch(
                block_table=common.block_table_tensor[:sequences],
                query_starts=starts,
                lengths=lengths,
                max_query=common.max_query_len,
                max_length=common.max_seq_len,
                host=host,
            ),
            slots=common.slot_mapping[:tokens],
            positions=positions,
            sparse=sparse,
            watched=self._steps % self._layers,
        )

    def _sparse(self, queries: list[int], lengths: Sequence[int]) -> list[int]:
        chunks = enumerate(zip(queries, lengths, strict=True))
        return [i for i, (read, length) in chunks if self._budgets and self._budgets.apply(queries=read, length=length)]


class DualChunkImpl(AttentionImpl[DualChunkMetadata]):
    """Attention of one layer."""

    def __init__(
        self,
        num_heads: int,
        head_size: int,
        scale: float,
        num_kv_heads: int | None = None,
        alibi_slopes: list[float] | None = None,
        sliding_window: int | None = None,
        kv_cache_dtype: str = "auto",
        logits_soft_cap: float | None = None,
        attn_type: str = AttentionType.DECODER,
        kv_sharing_target_layer_name: str | None = None,
        *,
        layer_idx: int,
        dual_chunk_attention_config: dict[str, Any],
        **others: Any,
    ) -> None:
        unknown = {
            "ALiBi": alibi_slopes,
            "a sliding window": sliding_window,
            "a soft cap of the logits": logits_soft_cap,
            f"{attn_type} attention": None if attn_type == AttentionType.DECODER else attn_type,
            "K/V shared between layers": kv_sharing_target_layer_name,
            "attention sinks": others.get("sinks"),
        }
        if used := [name for name, value in unknown.items() if value is not None]:
            raise NotImplementedError(
                f"longread does not compute {' and '.join(used)}, which this model has: without "
                "dual_chunk_attention_config in its config.json, vLLM's own backends may"
            )
        config = get_current_vllm_config()
        settings = AttentionSettings.of_engine(config).of_rank(get_tensor_model_parallel_rank(), num_heads)
        self.num_heads, self.head_size, self.scale = num_heads, head_size, float(scale)
        self.num_kv_heads = num_kv_heads or num_heads
        self.kv_cache_dtype = kv_cache_dtype
        self.sliding_window = None
        self._layer = layer_idx
        self._longest = config.model_config.max_model_len
        self._budgets = settings.budgets and settings.budgets.layers[layer_idx]
        self._spec: DCASpec = settings.spec
        if self._spec.head_dim != head_size:
            raise ValueError(f"a layer has heads of {head_size}; the model's config says {self._spec.head_dim}")
        if abs(self.scale - head_size**-0.5) > 1e-6 * self.scale:
            self._spec = replace(self._spec, softmax_scale=self.scale)

    def forward(
        self,
        layer: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        kv_cache: Tensor,
        attn_metadata: DualChunkMetadata | None,
        output: Tensor,
        output_scale: Tensor | None = None,
        output_block_scale: Tensor | None = None,
    ) -> Tensor:
        """Write K and V of this step's tokens, and compute attention.

        Args:
            query: [tokens, heads, head_size], not rotated.
            key, value: [tokens, K/V heads, head_size], K not rotated.
            kv_cache: [pages, K/V heads, page size, 2 · head_size] of any strides.
            attn_metadata: None in the run in which vLLM measures memory.
            output: [tokens, heads, head_size], written.
        """
        if output_scale is not None or output_block_scale is not None:
            raise NotImplementedError("longread does not quantize attention's output")
        if attn_metadata is None:  # that run must see the memory for the longest prompt beside K and V
            self._spec.tables(self._longest, query.device)
            if self._budgets is not None:
                torch.empty(SCORE_BYTES * self.num_heads * self._longest, dtype=torch.uint8, device=query.device)
            return output.fill_(0)
        step, kv = attn_metadata, self._paged(layer, kv_cache)
        rows = slice(step.tokens)
        sparsity = self._budgets and step.sparsity(self._budgets)
        dca_write(key[rows], value[rows], kv, step.slots, step.positions, self._spec, max_length=step.batch.max_length)
        dca_prefill(
            query[rows],
            kv,
            step.batch,
            self._spec,
            sparsity=sparsity,
            out=output[rows],
        )
        if sparsity and step.watched == self._layer:
            self._watch(query, kv, step)
        return output

    def _watch(self, query: Tensor, kv: PagedKV, step: DualChunkMetadata) -> None:
        """Record the recall of the last queries of each sparse chunk."""
        budgets, host = self._budgets, step.batch.host
        assert budgets is not None
        assert host is not None
        for index in step.sparse:
            last = query[host[0][index + 1] - budgets.last_q : host[0][index + 1]]
            table, length = step.batch.block_table[index], host[1][index]
            _, recall, density = observe(last, kv, table, length, self._spec, budgets)
            counters().observe(float(recall.mean()), float(density.mean()))

    def _paged(self, layer: Any, kv_cache: Tensor) -> PagedKV:
        cache = kv_cache.view(torch.float8_e4m3fn) if kv_cache.dtype == torch.uint8 else kv_cache
        k, v = cache.transpose(1, 2).split(self.head_size, dim=-1)
        return PagedKV(k, v, layer._k_scale_float, layer._v_scale_float)
