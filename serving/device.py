"""The device, dtype, threads and free memory of this machine, from what it reports."""

import os

import psutil
import torch

from longread.errors import ModelUnusable

from . import host_memory


def device(name: str | None) -> torch.device:
    """The device of that name: "cpu", "cuda" or "cuda:1"; None is a GPU if there is one.

    Raises:
        ModelUnusable: this machine has no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpus = torch.cuda.device_count()
    if name not in ("cpu", *(["cuda"] if gpus else []), *(f"cuda:{n}" for n in range(gpus))):
        raise ModelUnusable(f"device is {name!r}; it must be cpu or cuda, and torch sees {gpus} CUDA devices here.")
    return torch.device(name)


def default_dtype(device: torch.device) -> torch.dtype:
    """The narrowest type that `device` multiplies matrices of at full speed.

    A CPU without bfloat16 instructions emulates it, about 300 times slower than float32 on AVX2.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def use_physical_cores() -> int:
    """Have torch use a thread for each physical core that this process may use, unless OMP_NUM_THREADS is set."""
    if "OMP_NUM_THREADS" not in os.environ:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(min(psutil.cpu_count(logical=False) or usable, usable))
    return torch.get_num_threads()


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on `device`."""
    if device.type == "cuda":
        # Memory that torch's allocator has reserved and does not use is free, too.
        spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + spare
    return host_memory.available()
