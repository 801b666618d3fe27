"""`agent doctor`: checks of this machine, and what to do about those that fail."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from .exit_codes import exit_on_error
from .options import ApiKey, Model, Server

if TYPE_CHECKING:
    from rich.table import Table

    from .config import Settings

_STYLES = {"ok": ("✓", "green"), "off": ("–", "dim"), "fail": ("✗", "bold red")}
_FREE_GIB = 2


class Result(NamedTuple):
    """The result of one check. `off`: an optional part is missing; `fail`: something that is needed does not work."""

    check: str
    state: Literal["ok", "off", "fail"]
    found: str
    remedy: str = ""


def doctor(server: Server = None, model: Model = None, api_key: ApiKey = None) -> None:
    """Check what works on this machine. Exit code 1: something that is needed does not."""
    with exit_on_error():
        from . import console
        from .config import load

        results = run_checks(load({"server": server, "model": model, "api_key": api_key}).settings)
        console.out.print(results_table(results))
        raise typer.Exit(1 if any(result.state == "fail" for result in results) else 0)


def run_checks(settings: "Settings") -> list[Result]:
    """Run all checks. They start nothing and change nothing; a server is queried if one is set."""
    checks: list[Callable[[Settings], Result]] = [
        _check_python,
        _check_cache,
        _check_disk,
        _check_engine,
        _check_device,
        _check_model,
        _check_ocr,
    ]
    if settings.server:
        checks.append(_check_server)
    return [check(settings) for check in checks]


def results_table(results: list[Result]) -> "Table":
    from rich.text import Text

    from . import tables

    return tables.rows(
        ("", "", "found", "to do"),
        ((Text(*_STYLES[result.state]), result.check, result.found, result.remedy) for result in results),
    )


def _check_python(_: "Settings") -> Result:
    from importlib.metadata import version

    versions = ", ".join(f"{name} {version(name)}" for name in ("qwen-agent", "pymupdf", "tiktoken"))
    return Result("python", "ok", f"{sys.version.split()[0]}, longread {version('longread')}, {versions}")


def _check_cache(_: "Settings") -> Result:
    from longread.cache import cache_dir

    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Result(
            "cache", "fail", f"{folder}: {error.strerror}", "Set LONGREAD_CACHE_DIR to a folder that you can write to."
        )
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Result("cache", "ok", f"{folder}, {used / 2**20:,.0f} MiB used")


def _check_disk(_: "Settings") -> Result:
    from longread.cache import cache_dir

    free = shutil.disk_usage(cache_dir()).free / 2**30
    if free < _FREE_GIB:
        return Result("disk", "fail", f"{free:.1f} GiB free", f"Free {_FREE_GIB} GiB, or set LONGREAD_CACHE_DIR.")
    return Result("disk", "ok", f"{free:,.0f} GiB free")


def _check_engine(settings: "Settings") -> Result:
    missing = [name for name in ("torch", "transformers", "gguf", "accelerate", "safetensors") if not find_spec(name)]
    if missing:
        return Result(
            "embedded engine",
            "off" if settings.server else "fail",
            f"not installed: {', '.join(missing)}",
            "pip install 'longread[embedded]', or use a server: --server URL",
        )
    from importlib.metadata import version

    return Result("embedded engine", "ok", f"torch {version('torch')}, transformers {version('transformers')}")


def _check_device(settings: "Settings") -> Result:
    if not find_spec("torch"):
        return Result("device", "off", "unknown without torch")
    from longread.errors import LongreadError
    from longread.serving import device as devices

    try:
        device = devices.device(settings.device)
    except LongreadError as error:
        return Result("device", "fail", settings.device or "", str(error))
    dtype = str(devices.default_dtype(device)).removeprefix("torch.")
    free = devices.free_memory(device) / 2**30
    return Result("device", "ok", f"{device}, computes in {dtype}, {free:,.0f} GiB free")


def _check_model(settings: "Settings") -> Result:
    if settings.server:
        return Result("embedded model", "off", "not used: a server is set")
    from longread.serving.models import catalog

    name = settings.model or catalog.DEFAULT_MODEL
    entry = catalog.find(name)
    if entry and (folder := catalog.local_folder(entry.name)):
        return Result("embedded model", "ok", f"{name} in {folder}")
    if entry:
        return Result("embedded model", "off", f"{name} is not on this machine", "It is downloaded when first used.")
    if Path(name).exists():
        return Result("embedded model", "ok", name)
    return Result("embedded model", "off", f"{name} is not in the catalogue", "It is looked up on the hub when used.")


def _check_ocr(settings: "Settings") -> Result:
    from longread.errors import LongreadError

    from ..corpus.formats.pdf.ocr import tessdata

    try:
        return Result("ocr", "ok", f"tesseract data for {settings.ocr_language} in {tessdata(settings.ocr_language)}")
    except LongreadError as error:
        return Result("ocr", "fail" if settings.ocr == "always" else "off", "no tesseract data", str(error))


def _check_server(settings: "Settings") -> Result:
    from longread.errors import LongreadError

    from ..llm.openai_server import list_models, redact_url

    assert settings.server
    shown = redact_url(settings.server)
    try:
        served = list_models(settings.server, settings.api_key)
    except LongreadError as error:
        return Result("server", "fail", shown, str(error))
    names = ", ".join(f"{model.id} ({model.window:,} tokens)" if model.window else model.id for model in served)
    if settings.model and settings.model not in [model.id for model in served]:
        return Result("server", "fail", f"{shown} serves {names}", f"It has no {settings.model}: choose one of these.")
    return Result("server", "ok", f"{shown} serves {names or 'no models'}")
