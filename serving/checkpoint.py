"""From a model's name to what the embedded engine runs, or a reason why it cannot."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ModelUnusable
from .events import ObtainEvent
from .models import Sampling, find, obtain
from .prefix import fingerprint
from .shape import FAMILIES, STRETCH, stretch

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from ..kernels import Budgets, DCASpec
    from .chat_tokenizer import ChatTokenizer

DTYPES = ("float32", "bfloat16", "float16")
# Their tables of rotations change with the length of the prompt, and with them every cached key.
_MOVING_ROPE = ("dynamic", "longrope")


@dataclass(frozen=True)
class Checkpoint:
    """A model in memory, with all that is needed to ask it."""

    name: str
    folder: Path
    """Of its files."""
    model: Any
    """A transformers causal language model, in evaluation mode, with the attention of `longread.kernels`."""
    tokenizer: "ChatTokenizer"
    window: int
    sampling: Sampling
    """What its authors recommend."""
    stop_ids: frozenset[int]
    """Tokens that end an answer."""
    identity: str
    """Of the function it computes, weights, attention and dtype included."""
    budgets: "Budgets | None" = None
    """Of its sparse attention, if it comes with any."""


def load_checkpoint(
    model: str | Path,
    *,
    device: str | None,
    dtype: str | None,
    window: int | None,
    on_event: Callable[[ObtainEvent], None] | None,
) -> Checkpoint:
    """Obtain a model and bring it up. `Engine.load` says what the arguments are."""
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelUnusable(
            f"{model} needs torch and transformers to run in this process: pip install 'longread[embedded]'"
        ) from error
    from . import hardware
    from .chat_tokenizer import ChatTokenizer

    if dtype is not None and dtype not in DTYPES:
        raise ModelUnusable(f"dtype is {dtype!r}; it is {', '.join(DTYPES)}")
    folder = obtain(model, on_event=on_event)
    config = load_config(folder)
    window = window_of(config) if window is None else window
    spec = spec_of(config, window, str(model))
    target = hardware.device(device)
    budgets = budgets_of(folder, config, target.type)
    chosen = getattr(torch, dtype) if dtype else hardware.default_dtype(target)
    hardware.use_physical_cores()
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
    """The checkpoint's configuration.

    Raises:
        ModelUnusable: the engine cannot compute this architecture.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelUnusable(
            f"{folder}: transformers cannot read config.json: {_first_line(error)}. If it is damaged, delete the "
            "folder to fetch the model anew"
        ) from error
    if config.model_type not in FAMILIES:
        raise ModelUnusable(
            f"{folder} is a {config.model_type} model; the embedded engine runs {', '.join(FAMILIES)}. "
            "Serve it, and use it as an endpoint"
        )
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        raise ModelUnusable(f"{folder} has layers with sliding windows, which the embedded engine does not run")
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type")
    if rope in _MOVING_ROPE:
        raise ModelUnusable(
            f"{folder} uses {rope} RoPE, whose cached keys depend on the prompt's length; the embedded engine does not "
            "run it"
        )
    return config


def window_of(config: "PretrainedConfig") -> int:
    """Tokens that the checkpoint attends to as it comes."""
    return config.max_position_embeddings


def spec_of(config: "PretrainedConfig", window: int, name: str) -> "DCASpec":
    """How the model attends to `window` tokens: as its config says, and beyond its own window by Dual Chunk Attention.

    Then with a temperature, too, though it was not trained with one: facts far back are found better (docs/quality.md).

    Raises:
        ModelUnusable: more than `STRETCH` times its own, or a RoPE that the kernels do not compute.
    """
    from ..kernels import DCASpec, KernelError

    limit = window_of(config)
    try:
        spec = DCASpec.from_config(config)
    except KernelError as error:
        raise ModelUnusable(f"{name}: {error}") from error
    if window <= limit and window > 0:
        return spec
    if spec.chunk_size is not None or not 0 < window <= STRETCH * limit:
        most = f", and up to {STRETCH * limit:,} by Dual Chunk Attention" if spec.chunk_size is None else ""
        raise ModelUnusable(f"a window of {window:,} tokens was asked for; {name} has {limit:,}{most}")
    chunk, local = stretch(limit)
    return replace(spec, chunk_size=chunk, local_size=local, temperature="query")


def budgets_of(folder: Path, config: "PretrainedConfig", device: str) -> "Budgets | None":
    """The budgets of sparse prefill that a checkpoint comes with or, for Dual Chunk Attention, asks for, if it does.

    Raises:
        ModelUnusable: they are damaged, or of another model.
    """
    from ..kernels import Budgets, KernelError

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
        raise ModelUnusable(str(error)) from error


def load_model(
    folder: Path,
    *,
    dtype: "torch.dtype",
    device: "torch.device",
    spec: "DCASpec | None" = None,
    budgets: "Budgets | None" = None,
) -> Any:
    """The model in evaluation mode, with the attention of `longread.kernels`.

    Raises:
        ModelUnusable: weights are missing, broken, or too large for `device`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    from ..kernels import KernelError, patch
    from .quiet import no_progress_bars

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
            f"the weights in {folder} cannot be loaded on {device}: {_first_line(error)}. If they are damaged, delete "
            "the folder to fetch the model anew"
        ) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ModelUnusable(f"the weights in {folder} lack {len(missing)} tensors, {missing[0]} among them")
    try:
        return patch(model.eval(), spec, budgets)
    except KernelError as error:
        raise ModelUnusable(f"{folder}: {error}") from error


def stop_ids(generation: Any, tokenizer_eos: int | None) -> frozenset[int]:
    """Tokens that end an answer: those of generation_config.json and the tokenizer's own."""
    declared = generation.eos_token_id
    declared = [] if declared is None else [declared] if isinstance(declared, int) else declared
    return frozenset([*declared, *([] if tokenizer_eos is None else [tokenizer_eos])])


def declared_sampling(generation: Any) -> Sampling:
    """The sampling of generation_config.json; greedy when it does not sample."""
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
