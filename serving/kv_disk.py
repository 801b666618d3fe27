"""K/V of prompts on disk, for a server: how much room there is for them, and what vLLM is to be told.

On CPUs that is our own connector, `vllm_plugin.kv_disk`. On GPUs it is vLLM's, which copies while it computes; what it
lacks is added here: its files are kept apart by all that K/V depend on, and held to a size whenever a server starts.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ServerError
from .plan import GIB, Plan, prompt_kv
from .prefix import fingerprint
from .store import evict
from .vllm_plugin.compatibility import installed

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
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # K/V tell what the documents say
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ServerError(
            f"--kv-disk: {folder} cannot be written ({error.strerror}): choose another folder."
        ) from error
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise ServerError(
            f"--kv-disk: {folder} belongs to another user, who could change what is in it: choose another folder."
        )
    return folder


def room(folder: Path, found: Plan, options: "Options") -> int:
    """Bytes that may be used: what is asked for, or by default what is there and at least a few of the longest prompts.

    Raises:
        ServerError: the disk does not have them, or they are less than a prompt.
    """
    request = found.request
    prompt = prompt_kv(request)
    there = sum(size for _, size, _ in _files(folder))
    # Whose they are is not known: a small model is not to push out the books of a large one.
    wanted = max(PROMPTS * prompt, there) if options.kv_disk_gib is None else int(options.kv_disk_gib * GIB)
    if wanted < prompt:
        raise ServerError(
            f"--kv-disk-size {options.kv_disk_gib:g} is less than one prompt of {request.tokens:,} tokens takes: it "
            f"needs {prompt / GIB:.3g} GiB, or a smaller --tokens."
        )
    free = shutil.disk_usage(folder).free + there
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
    place = folder / ("pages" if found.request.gpus.is_cpu else "vllm")
    place.mkdir(exist_ok=True)
    size = room(place, found, options)
    if found.request.gpus.is_cpu:
        ours: dict[str, Any] = {
            "kv_connector": "DiskConnector",
            "kv_connector_module_path": f"{__package__}.vllm_plugin.kv_disk",
            "kv_role": "kv_both",
            "kv_load_failure_policy": "recompute",  # a damaged file is one that is not there
            "kv_connector_extra_config": {"folder": str(place), "bytes": size},
        }
        return ["--kv-transfer-config", json.dumps(ours)]
    from ..kernels.budgets import FILE

    if "--enable-lora" in options.extra:
        raise ServerError("--kv-disk and --enable-lora do not go together: nothing says whose K/V those on disk are.")
    evict(_files(place), size)
    # vLLM's own names know the model's path and the shape of its K/V, but not how they were computed.
    request = found.request
    budgets = weights / FILE
    computed = json.dumps(
        [
            version("longread"), installed(), request.flags, asdict(request.precision), options.sparse,
            options.extra, found.chosen and found.chosen.chunk, budgets.read_text() if budgets.is_file() else None,
        ]
    )  # fmt: skip
    tier = {"type": "fs", "root_dir": str(place / fingerprint(weights, computed))}
    theirs = {"kv_connector_extra_config": {"spec_name": "TieringOffloadingSpec", "secondary_tiers": [tier]}}
    return ["--kv-offloading-size", str(options.kv_memory_gib), "--kv-transfer-config", json.dumps(theirs)]


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(last use, bytes, path)"""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # removed meanwhile, by a server that runs
            if path.is_file():
                status = path.stat()
                yield max(status.st_atime, status.st_mtime), status.st_size, path
