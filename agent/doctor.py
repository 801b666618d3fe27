"""What works on this machine, and what to do about the rest: `agent doctor`."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from ..serving import models
from ..serving.errors import LongreadError
from ..serving.store import cache_dir
from . import terminal
from .config import Config, Settings
from .errors import without_login

_MARKS = {"ok": Text("✓", "green"), "off": Text("–", "dim"), "fail": Text("✗", "bold red")}
_FREE_GIB = 2


class Result(NamedTuple):
    """One thing that was looked at. `off` is an optional part that is missing, `fail` something that was asked for."""

    what: str
    state: Literal["ok", "off", "fail"]
    found: str
    remedy: str = ""


def examine(config: Config) -> list[Result]:
    """Look at everything. Starts nothing and changes nothing; asks the server if one is configured."""
    settings = config.settings
    checks: list[Callable[[Settings], Result]] = [_python, _cache, _disk, _embedded, _device, _model, _ocr]
    if settings.server:
        checks.append(_server)
    return [check(settings) for check in checks]


def table(results: list[Result]) -> Table:
    return terminal.rows(
        ("", "", "found", "to do"),
        ((_MARKS[result.state], result.what, result.found, result.remedy) for result in results),
    )


def _python(_: Settings) -> Result:
    versions = ", ".join(f"{name} {version(name)}" for name in ("qwen-agent", "pymupdf", "tiktoken"))
    return Result("python", "ok", f"{sys.version.split()[0]}, longread {version('longread')}, {versions}")


def _cache(_: Settings) -> Result:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Result(
            "cache", "fail", f"{folder}: {error.strerror}", "Set LONGREAD_CACHE_DIR to a folder you can write."
        )
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Result("cache", "ok", f"{folder}, {used / 2**20:,.0f} MiB used")


def _disk(_: Settings) -> Result:
    free = shutil.disk_usage(cache_dir()).free / 2**30
    if free < _FREE_GIB:
        return Result("disk", "fail", f"{free:.1f} GiB free", f"Free {_FREE_GIB} GiB, or set LONGREAD_CACHE_DIR.")
    return Result("disk", "ok", f"{free:,.0f} GiB free")


def _embedded(settings: Settings) -> Result:
    missing = [name for name in ("torch", "transformers", "gguf", "accelerate", "safetensors") if not find_spec(name)]
    if not missing:
        return Result("embedded engine", "ok", f"torch {version('torch')}, transformers {version('transformers')}")
    return Result(
        "embedded engine",
        "off" if settings.server else "fail",
        f"not installed: {', '.join(missing)}",
        "pip install 'longread[embedded]', or use a server: --server URL",
    )


def _device(settings: Settings) -> Result:
    if not find_spec("torch"):
        return Result("device", "off", "not known without torch")
    from ..serving import hardware

    try:
        device = hardware.device(settings.device)
    except LongreadError as error:
        return Result("device", "fail", settings.device or "", str(error))
    dtype = str(hardware.default_dtype(device)).removeprefix("torch.")
    free = hardware.free_memory(device) / 2**30
    return Result("device", "ok", f"{device}, computes in {dtype}, {free:,.0f} GiB free")


def _model(settings: Settings) -> Result:
    if settings.server:
        return Result("embedded model", "off", "not used: a server is set")
    name = settings.model or models.DEFAULT_MODEL
    entry = models.find(name)
    folder = models.installed().get(entry.name) if entry else None
    if folder:
        return Result("embedded model", "ok", f"{name} in {folder}")
    if entry:
        return Result("embedded model", "off", f"{name} is not on this machine yet", "It is fetched when first used.")
    if Path(name).exists():
        return Result("embedded model", "ok", name)
    return Result("embedded model", "off", f"{name} is not in the catalogue", "It is looked for on the hub when used.")


def _ocr(settings: Settings) -> Result:
    from .corpus.formats.ocr import tessdata

    try:
        return Result("ocr", "ok", f"tesseract data for {settings.ocr_language} in {tessdata(settings.ocr_language)}")
    except LongreadError as error:
        return Result("ocr", "fail" if settings.ocr else "off", "no tesseract data", str(error))


def _server(settings: Settings) -> Result:
    from .llm.server import list_models

    assert settings.server
    shown = without_login(settings.server)
    try:
        served = list_models(settings.server, settings.api_key)
    except LongreadError as error:
        return Result("server", "fail", shown, str(error))
    names = ", ".join(f"{m.id} ({m.window:,} tokens)" if m.window else m.id for m in served)
    if settings.model and settings.model not in [m.id for m in served]:
        return Result("server", "fail", f"{shown} serves {names}", f"It has no {settings.model}: choose one.")
    return Result("server", "ok", f"{shown} serves {names or 'no models'}")
