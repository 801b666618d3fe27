"""K/V of prompts on disk for a server: the size of its folder, and the arguments for vLLM.

On CPUs the connector is ours, `vllm_plugin.kv_connector`. On GPUs it is vLLM's, which copies while it computes; this
module adds a folder name that covers everything the K/V depend on, and a size limit at each start.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from longread.cache import evict
from longread.errors import ServerError

from ..models.fingerprint import fingerprint
from ..planning.gpus import GIB
from ..planning.planner import Plan, prompt_kv
from ..vllm_plugin.compatibility import installed

PROMPTS = 4
"""Prompts of the full length that the folder has room for by default."""
UNKNOWN_WEIGHTS = "FINGERPRINT_OF_THE_WEIGHTS"
"""Stands for the folder's name in a command for GPUs, while the weights that it depends on are not on this machine."""


def check_folder(folder: Path) -> Path:
    """Our folder in `folder`, created if necessary. What is in it may be deleted; what is beside it may not.

    Raises:
        ServerError: it cannot be written.
    """
    folder = _our_folder(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # K/V reveal the documents
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ServerError(
            f"--kv-disk: {folder} cannot be written ({error.strerror}). Choose another folder."
        ) from error
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise ServerError(
            f"--kv-disk: {folder} belongs to another user, who could change its files. Choose another folder."
        )
    return folder


def prepare(folder: Path, plan: Plan, gib: float | None) -> None:
    """Create the folder for a server's K/V, and delete the least recently used files above its size limit.

    Raises:
        ServerError: the folder cannot be written, or its disk is too small.
    """
    check_folder(folder)
    place = _place(folder, plan)
    place.mkdir(exist_ok=True)
    size = size_limit(place, plan, gib)
    free = shutil.disk_usage(place).free + _used(place)
    if size > free:
        prompt = prompt_kv(plan.request)
        raise ServerError(
            f"{place} has room for {free / GIB:.1f} GiB of K/V, and {size / GIB:.1f} are requested. Change "
            f"--kv-disk-size, in GiB: a prompt of {plan.request.tokens:,} tokens takes {prompt / GIB:.1f}."
        )
    if not plan.request.gpus.is_cpu:  # our connector on CPUs keeps to the limit by itself
        evict(_files(place), size)


def size_limit(place: Path, plan: Plan, gib: float | None) -> int:
    """Bytes that the folder may take: `gib`, or by default what it holds and at least a few of the longest prompts.

    Raises:
        ServerError: `gib` is less than one prompt takes.
    """
    prompt = prompt_kv(plan.request)
    # Whose files they are is unknown: a small model must not evict the prompts of a large one.
    size = max(PROMPTS * prompt, _used(place)) if gib is None else int(gib * GIB)
    if size < prompt:
        raise ServerError(
            f"--kv-disk-size {gib:g} is less than one prompt of {plan.request.tokens:,} tokens takes. Use at least "
            f"{prompt / GIB:.3g} GiB, or a smaller --tokens."
        )
    return size


def connector_arguments(
    folder: Path,
    weights: Path | None,
    plan: Plan,
    *,
    gib: float | None,
    memory_gib: float,
    sparse: bool | None,
    extra: Sequence[str],
) -> list[str]:
    """The arguments with which vLLM keeps K/V in `folder`. Nothing is written there: see `prepare`.

    Args:
        weights: the folder of the model; None if it is not on this machine.
        gib, memory_gib: size limits on disk and in main memory.
        sparse, extra: the other options of the server that K/V depend on.

    Raises:
        ServerError: the size limit is less than one prompt takes, or the K/V on disk could be mistaken for others.
    """
    if weights is not None and not any(weights.glob("*.safetensors")):
        raise ServerError(
            f"--kv-disk needs weights in safetensors files, to tell them from others. {weights} has none."
        )
    place = _place(folder, plan)
    if plan.request.gpus.is_cpu:
        ours: dict[str, Any] = {
            "kv_connector": "DiskConnector",
            "kv_connector_module_path": "longread.serving.vllm_plugin.kv_connector",
            "kv_role": "kv_both",
            "kv_load_failure_policy": "recompute",  # treat a damaged file as missing
            "kv_connector_extra_config": {"folder": str(place), "bytes": size_limit(place, plan, gib)},
        }
        return ["--kv-transfer-config", json.dumps(ours)]
    if "--enable-lora" in extra:
        raise ServerError(
            "--kv-disk and --enable-lora cannot be combined: K/V on disk do not say which adapter computed them."
        )
    size_limit(place, plan, gib)  # the check: vLLM's connector takes no limit
    name = UNKNOWN_WEIGHTS if weights is None else _fingerprint(weights, plan, sparse, extra)
    tier = {"type": "fs", "root_dir": str(place / name)}
    theirs = {"kv_connector_extra_config": {"spec_name": "TieringOffloadingSpec", "secondary_tiers": [tier]}}
    return ["--kv-offloading-size", str(memory_gib), "--kv-transfer-config", json.dumps(theirs)]


def _fingerprint(weights: Path, plan: Plan, sparse: bool | None, extra: Sequence[str]) -> str:
    """Identifies everything that K/V depend on. vLLM's file names cover the model's path and K/V shape, no more."""
    from longread.kernels.sparse.budgets import FILE

    request, budgets = plan.request, weights / FILE
    computation = json.dumps(
        [
            version("longread"), installed(), request.config_overrides, asdict(request.precision), sparse, list(extra),
            plan.chosen and plan.chosen.chunk, budgets.read_text() if budgets.is_file() else None,
        ]
    )  # fmt: skip
    return fingerprint(weights, computation)


def _our_folder(folder: Path) -> Path:
    return folder.expanduser().resolve() / "longread-kv"


def _place(folder: Path, plan: Plan) -> Path:
    return _our_folder(folder) / ("pages" if plan.request.gpus.is_cpu else "vllm")


def _used(folder: Path) -> int:
    return sum(size for _, size, _ in _files(folder))


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(last use, bytes, path)"""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted in the meantime, by a running server
            if path.is_file():
                status = path.stat()
                yield max(status.st_atime, status.st_mtime), status.st_size, path
