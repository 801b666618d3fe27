"""K/V of prompts on disk, for a server: how much room there is for them, and what vLLM is to be told.

On CPUs that is our own connector, `vllm_plugin.kv_disk`. On GPUs it is vLLM's, which copies while it computes; what it
lacks is added here: its files are kept apart by all that K/V depend on, and held to a size whenever a server starts.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ServerError
from .plan import GIB, PAGE, Plan
from .prefix import fingerprint

if TYPE_CHECKING:
    from .command import Options

PROMPTS = 4
"""Of the full length, for which there is room by default."""


def check_folder(folder: Path) -> Path:
    """The folder in `folder` that is ours, made if need be. What is in there may be removed; what is beside it not.

    Raises:
        ServerError: it cannot be written.
    """
    folder = folder.expanduser().resolve() / "longread-kv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ServerError(
            f"--kv-disk: {folder} cannot be written ({error.strerror}): choose another folder."
        ) from error
    return folder


def room(folder: Path, found: Plan, options: "Options") -> int:
    """Bytes that may be used.

    Raises:
        ServerError: the disk does not have them.
    """
    request = found.request
    prompt = -(-request.tokens // PAGE) * PAGE * request.shape.kv_per_token(1, 1, kv_bytes=request.precision.kv_bytes)
    wanted = PROMPTS * prompt if options.kv_disk_gib is None else int(options.kv_disk_gib * GIB)
    free = shutil.disk_usage(folder).free + sum(size for _, size, _ in _files(folder))
    if wanted > free:
        raise ServerError(
            f"{folder} has room for {free / GIB:.1f} GiB of K/V, and {wanted / GIB:.1f} are asked for: give "
            f"--kv-disk-size, in GiB; a prompt of {request.tokens:,} tokens takes {prompt / GIB:.1f}."
        )
    return wanted


def transfer(folder: Path, weights: Path, found: Plan, options: "Options") -> list[str]:
    """Flags of `vllm serve`, with which it keeps K/V in `folder`.

    Args:
        weights: the folder of the model.

    Raises:
        ServerError: the folder cannot be written, or its disk is too small.
    """
    folder = check_folder(folder)
    if not any(weights.glob("*.safetensors")):
        raise ServerError(
            f"--kv-disk needs weights in safetensors files, to tell them from others; {weights} has none."
        )
    size = room(folder, found, options)
    if found.request.gpus.is_cpu:
        ours: dict[str, Any] = {
            "kv_connector": "DiskConnector",
            "kv_connector_module_path": f"{__package__}.vllm_plugin.kv_disk",
            "kv_role": "kv_both",
            "kv_load_failure_policy": "recompute",  # a damaged file is one that is not there
            "kv_connector_extra_config": {"folder": str(folder / "pages"), "bytes": size},
        }
        return ["--kv-transfer-config", json.dumps(ours)]
    trim(folder / "vllm", size)
    # vLLM's own names know the model's path and the shape of its K/V, but not how they were computed.
    request = found.request
    computed = json.dumps([request.flags, asdict(request.precision), options.sparse, options.extra])
    tier = {"type": "fs", "root_dir": str(folder / "vllm" / fingerprint(weights, computed))}
    theirs = {"kv_connector_extra_config": {"spec_name": "TieringOffloadingSpec", "secondary_tiers": [tier]}}
    return ["--kv-offloading-size", str(options.kv_memory_gib), "--kv-transfer-config", json.dumps(theirs)]


def trim(folder: Path, size: int) -> None:
    """Remove the files that were not used for longest, until no more than `size` bytes are left."""
    files = sorted(_files(folder))
    excess = sum(size for _, size, _ in files) - size
    for _, taken, path in files:
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= taken


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(last use, bytes, path)"""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # removed meanwhile, by a server that runs
            if path.is_file():
                status = path.stat()
                yield max(status.st_atime, status.st_mtime), status.st_size, path
