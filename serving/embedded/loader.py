"""Loads checkpoints for the embedded engine, or says why one cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longread.errors import ModelUnusable
from longread.events import ObtainEvent

from ..models.catalog import Sampling, find, obtain
from ..models.fingerprint import fingerprint
from ..models.shape import FAMILIES, STRETCH, stretch

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from longread.kernels import Budgets, DCASpec

    from .tokenizer import ChatTokenizer

DTYPES = ("float32", "bfloat16", "float16")
# Their tables of rotations change with the length of the prompt, and with them every cached key.
_MOVING_ROPE = ("dynamic", "longrope")


@dataclass(frozen=True)
class Checkpoint:
    """A model in memory, and all that the engine needs beside it."""

    name: str
    folder: Path
    """The folder of its files."""
    model: Any
    """A transformers causal language model, in evaluation mode, with the attention of `longread.kernels`."""
    tokenizer: "ChatTokenizer"
    window: int
    sampling: Sampling
    """The sampling that its authors recommend."""
    stop_ids: frozenset[int]
    """Tokens that end an answer."""
    identity: str
    """A hash of the function that it computes, including weights, attention and dtype."""
    budgets: "Budgets | None" = None
    """The budgets of sparse prefill; None if it is dense."""


def load_checkpoint(
    model: str | Path,
    *,
    device: str | None,
    dtype: str | None,
    window: int | None,
    on_event: Callable[[ObtainEvent], None] | None,
) -> Checkpoint:
    """Obtain and load a model. `Engine.load` documents the arguments."""
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelUnusable(
            f"{model} needs torch and transformers to run in this process: pip install 'longread[embedded]'."
        ) from error
    from ..device import default_dtype, use_physical_cores
    from ..device import device as device_of
    from .tokenizer import ChatTokenizer

    if dtype is not None and dtype not in DTYPES:
        raise ModelUnusable(f"dtype is {dtype!r}; it must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}.")
    folder = obtain(model, on_event=on_event)
    config = load_config(folder)
    window = window_of(config) if window is None else window
    spec = spec_of(config, window, str(model))
    target = device_of(device)
    budgets = budgets_of(folder, config, target.type)
    chosen = getattr(torch, dtype) if dtype else default_dtype(target)
    use_physical_cores()
    tokenizer = ChatTokenizer(folder)
    loaded = load_model(folder, dtype=chosen, device=target, spec=spec, budgets=budgets)
    entry = find(str(model))
    return Checkpoint(
        name=entry.name if entry else folder.name if Path(model).exists() else str(model),
        folder=folder,
        model=loaded,
        tokenizer=tokenizer,
        window=window,
        sampling=entry.sampling if entry else declared_sampling(loaded.generation_config),
        stop_ids=stop_ids(loaded.generation_config, tokenizer.eos),
        identity=fingerprint(folder, f"{chosen} {spec.text} {budgets}"),
        budgets=budgets,
    )


def load_config(folder: Path) -> "PretrainedConfig":
    """Load the checkpoint's configuration.

    Raises:
        ModelUnusable: the engine does not support this architecture.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelUnusable(
            f"{folder}: transformers cannot read config.json: {_first_line(error)}. If it is damaged, delete the "
            "folder to download the model again."
        ) from error
    if config.model_type not in FAMILIES:
        raise ModelUnusable(
            f"{folder} is a {config.model_type} model; the embedded engine runs {', '.join(FAMILIES)}. "
            "Use it through a server."
        )
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        raise ModelUnusable(f"{folder} has layers with sliding windows, which the embedded engine does not support.")
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type")
    if rope in _MOVING_ROPE:
        raise ModelUnusable(
            f"{folder} uses {rope} RoPE, whose cached keys depend on the prompt's length; the embedded engine does not "
            "support it."
        )
    return config


def window_of(config: "PretrainedConfig") -> int:
    """The checkpoint's own context window, in tokens."""
    return config.max_position_embeddings


def spec_of(config: "PretrainedConfig", window: int, name: str) -> "DCASpec":
    """The spec for `window` tokens: by the model's config, and beyond its own window by Dual Chunk Attention.

    The extended spec has an attention temperature, although the model was not trained with one: it recalls facts far
    back better (docs/quality.md).

    Raises:
        ModelUnusable: the window is too large, or the kernels do not support the model's RoPE.
    """
    from longread.kernels import DCASpec, KernelError

    limit = window_of(config)
    try:
        spec = DCASpec.from_config(config)
    except KernelError as error:
        raise ModelUnusable(f"{name}: {error}.") from error
    if window <= limit and window > 0:
        return spec
    if spec.chunk_size is not None or not 0 < window <= STRETCH * limit:
        most = f", and up to {STRETCH * limit:,} by Dual Chunk Attention" if spec.chunk_size is None else ""
        raise ModelUnusable(f"The window of {window:,} tokens is not possible: {name} has {limit:,}{most}.")
    chunk, local = stretch(limit)
    return replace(spec, chunk_size=chunk, local_size=local, temperature="query")


def budgets_of(folder: Path, config: "PretrainedConfig", device: str) -> "Budgets | None":
    """The budgets of sparse prefill from a checkpoint's config or the file beside it; None if prefill is dense.

    Raises:
        ModelUnusable: they are damaged, or belong to another model.
    """
    from longread.kernels import Budgets, KernelError

    dual_chunk: dict[str, Any] = getattr(config, "dual_chunk_attention_config", None) or {}
    try:
        return Budgets.from_config(
            dual_chunk or {"sparse_attention_threshold": window_of(config)},
            folder,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            device=device,
        )
    except KernelError as error:
        raise ModelUnusable(f"{error}.") from error


def load_model(
    folder: Path,
    *,
    dtype: "torch.dtype",
    device: "torch.device",
    spec: "DCASpec | None" = None,
    budgets: "Budgets | None" = None,
) -> Any:
    """Load the model in evaluation mode, with the attention of `longread.kernels`.

    Raises:
        ModelUnusable: the weights are missing, damaged, or too large for `device`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    from longread.kernels import KernelError, patch

    from ..models.progress_bars import no_progress_bars

    from_pretrained: Any = AutoModelForCausalLM.from_pretrained
    try:
        with no_progress_bars():
            model, report = from_pretrained(
                folder,
                dtype=dtype,
                device_map=None if device.type == "cpu" else {"": device},
                output_loading_info=True,
            )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelUnusable(
            f"The weights in {folder} cannot be loaded on {device}: {_first_line(error)}. If they are damaged, delete "
            "the folder to download the model again."
        ) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ModelUnusable(f"The weights in {folder} lack {len(missing)} tensors, for example {missing[0]}.")
    try:
        return patch(model.eval(), spec, budgets)
    except KernelError as error:
        raise ModelUnusable(f"{folder}: {error}.") from error


def stop_ids(generation: Any, tokenizer_eos: int | None) -> frozenset[int]:
    """Tokens that end an answer: those of generation_config.json and the one of the tokenizer."""
    declared = generation.eos_token_id
    declared = [] if declared is None else [declared] if isinstance(declared, int) else declared
    return frozenset([*declared, *([] if tokenizer_eos is None else [tokenizer_eos])])


def declared_sampling(generation: Any) -> Sampling:
    """The sampling of generation_config.json; greedy if it does not sample."""
    penalty = generation.repetition_penalty or 1.0
    if not generation.do_sample:
        return Sampling(repetition_penalty=penalty)
    temperature, top_p = generation.temperature, generation.top_p
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        repetition_penalty=penalty,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
