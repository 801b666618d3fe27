"""A KV connector that stores the pages of prompts in files, where the next server finds them.

For vLLM on CPUs, where its own offloading connector does not run. `serving/vllm_server/kv_offload.py` configures it:

    --kv-transfer-config '{"kv_connector": "DiskConnector", "kv_role": "kv_both", "kv_load_failure_policy": "recompute",
        "kv_connector_module_path": "longread.serving.vllm_plugin.kv_connector",
        "kv_connector_extra_config": {"folder": "/var/kv", "bytes": 8589934592}}'

vLLM hashes each full page of a prompt together with all pages before it. A page's file is named by that hash and by
the identity of the engine (`kv_identity`), so equal names mean equal K/V. The files are those of
`serving.prefix_cache`: checksummed, renamed into place when complete, and evicted least recently used first, the end of
a prompt before its beginning.

One process computes the whole model here. Several would have to agree on which pages could be read, since a page that
one of them lacks invalidates what all compute from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vllm.config import VllmConfig
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorMetadata,
    KVConnectorRole,
)
from vllm.logger import init_logger
from vllm.platforms import current_platform
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, group_kernel_blocks
from vllm.v1.metrics.cache_hit_source import CacheHitSource

from ..prefix_cache import PrefixStore
from .constants import LOGGER
from .kv_identity import identity, key

logger = init_logger(LOGGER)


@dataclass(frozen=True)
class Pages:
    """The full pages of one prompt, from its beginning."""

    hashes: Sequence[bytes]
    blocks: Sequence[int]
    """Their places in the K/V cache."""
    first: int
    """The first one that this step loads or computes."""


@dataclass
class Step(KVConnectorMetadata):
    """The instructions of the scheduler to the workers."""

    loads: list[Pages] = field(default_factory=list)
    saves: list[Pages] = field(default_factory=list)


class DiskConnector(KVConnectorBase_V1):
    """Loads pages from disk before a step, and stores new full pages after it."""

    _cache_hit_source = CacheHitSource.DISK

    def __init__(self, vllm_config: VllmConfig, role: KVConnectorRole, kv_cache_config: KVCacheConfig) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        extra = vllm_config.kv_transfer_config.kv_connector_extra_config  # type: ignore[union-attr]
        self._page = vllm_config.cache_config.block_size
        check(vllm_config, kv_cache_config)
        self._identity = identity(vllm_config)
        self._prefixes = PrefixStore(Path(extra["folder"]), max_bytes=int(extra["bytes"]))
        # In the scheduler.
        self._requests: dict[str, Any] = {}
        self._admitted: dict[str, int] = {}
        """Requests that start with the next step, and how many of their tokens will be loaded."""
        # In a worker.
        self._layers: list[Tensor] = []
        self._stale: set[int] = set()
        """Blocks that could not be loaded, and are not computed yet."""
        self._failed: set[int] = set()
        """The ones of this step."""

    @property
    def requires_kv_delivery(self) -> bool:
        return False  # a page that is not stored will be computed again

    # In the scheduler

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int, bool]:
        """(tokens on disk, after those in memory; whether they are loaded asynchronously)."""
        first = found = num_computed_tokens // self._page
        # One token is left to compute, for the logits of the first output token.
        most = min(len(request.block_hashes), (request.num_tokens - 1) // self._page)
        while found < most and self._key(request.block_hashes[found]) in self._prefixes.store:
            found += 1
        return (found - first) * self._page, False

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        self._requests[request.request_id] = request
        self._admitted[request.request_id] = num_external_tokens

    def build_connector_meta(self, scheduler_output: Any) -> Step:
        step = Step()
        for name, tokens in scheduler_output.num_scheduled_tokens.items():
            request = self._requests[name]
            computed = request.num_computed_tokens
            end = min(computed + tokens, request.num_prompt_tokens) // self._page
            begun, admitted = computed // self._page, self._admitted.pop(name, None)
            if admitted is None and end <= begun:
                continue  # no page has become full, mostly because the request decodes
            assert self._kv_cache_manager is not None
            (blocks,) = self._kv_cache_manager.get_block_ids(name)
            if admitted:
                first = (computed - admitted) // self._page
                step.loads.append(Pages(request.block_hashes[:begun], blocks[:begun], first))
            step.saves.append(Pages(request.block_hashes[:end], blocks[:end], begun))
        return step

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, None]:
        self._requests.pop(request.request_id, None)
        self._admitted.pop(request.request_id, None)
        return False, None

    # In a worker

    def register_kv_caches(self, kv_caches: dict[str, Tensor]) -> None:
        blocks = self._kv_cache_config.num_blocks
        self._layers = [group_kernel_blocks(kv_caches[name], blocks) for name in sorted(kv_caches)]

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        for pages in self._step.loads:
            for index in range(pages.first, len(pages.hashes)):
                page = self._prefixes.read(self._key(pages.hashes[index]))
                if page is None or not self._fits(page):
                    self._prefixes.store.remove(self._key(pages.hashes[index]))  # so that it is written again
                    tokens = (len(pages.hashes) - index) * self._page
                    logger.warning("longread: K/V on disk are damaged or gone: %d tokens are computed instead", tokens)
                    self._failed.update(pages.blocks[index:])
                    break
                for layer, own in zip(self._layers, page, strict=True):
                    layer[pages.blocks[index]].copy_(own)
                self._stale.discard(pages.blocks[index])
            else:
                tokens = (len(pages.hashes) - pages.first) * self._page
                logger.info("longread: %d tokens of K/V came from disk", tokens)
        self._stale |= self._failed

    def wait_for_save(self) -> None:
        for pages in self._step.saves:
            before, computed = pages.blocks[: pages.first], pages.blocks[pages.first :]
            if not self._stale.isdisjoint(before):  # K/V computed from a missing page are as wrong
                self._stale.update(computed)
                continue
            self._stale.difference_update(computed)
            keys = [self._key(page) for page in pages.hashes]
            if keys:
                self._prefixes.write(keys, (), lambda index, blocks=pages.blocks: self._block(blocks[index]))
        self._prefixes.wait()

    def get_block_ids_with_load_errors(self) -> set[int]:
        failed, self._failed = self._failed, set()
        return failed

    def wait_for_layer_load(self, layer_name: str) -> None: ...

    def save_kv_layer(self, layer_name: str, kv_layer: Tensor, attn_metadata: Any, **kwargs: Any) -> None: ...

    def shutdown(self) -> None:
        self._prefixes.close()

    @property
    def _step(self) -> Step:
        step = self._get_connector_metadata()
        assert isinstance(step, Step)
        return step

    def _block(self, block: int) -> Tensor:
        """The K/V of one page in all layers."""
        return torch.stack([layer[block] for layer in self._layers]).cpu()

    def _fits(self, page: Tensor) -> bool:
        like = self._layers[0]
        return page.shape == (len(self._layers), *like.shape[1:]) and page.dtype == like.dtype

    def _key(self, page: bytes) -> str:
        return key(self._identity, page)


def check(config: VllmConfig, cache: KVCacheConfig) -> None:
    """Raise ValueError unless one process on a CPU holds all K/V, and all layers have full attention."""
    specs = [group.kv_cache_spec for group in cache.kv_cache_groups]
    if len(specs) != 1 or not isinstance(specs[0], FullAttentionSpec):
        raise ValueError("longread stores K/V on disk for models whose layers all have full attention")
    if not current_platform.is_cpu():
        raise ValueError("longread's DiskConnector is for CPUs: on GPUs use vLLM's OffloadingConnector")
    if config.parallel_config.world_size > 1:
        raise ValueError(
            f"longread's DiskConnector supports one process, and this model uses "
            f"{config.parallel_config.world_size}: disable tensor and pipeline parallelism, or K/V on disk"
        )
    if config.lora_config is not None:
        raise ValueError(
            "longread does not store K/V on disk for models with LoRA adapters, which the keys do not cover"
        )
