"""The free main memory, with the limits of containers and control groups."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_MOUNT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# (controller in /proc/self/cgroup, folder, limit, usage, cached files in memory.stat) of versions 2 and 1
_VERSIONS = (
    ("", ".", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available(mount: Path = _MOUNT, own: Path = _OWN) -> int:
    """Free bytes of the machine, or what a container or control group leaves this process, whichever is less.

    Args:
        mount: where control groups are mounted.
        own: the file that lists the control groups of this process.
    """
    return min([psutil.virtual_memory().available, *_left(mount, own)])


def _left(mount: Path, own: Path) -> Iterator[int]:
    """The free bytes in each control group that limits this process: its own, and those around it."""
    lines = own.read_text().splitlines() if own.is_file() else []
    paths = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    for controller, folder, limit, used, cached in _VERSIONS:
        if controller not in paths:
            continue
        root = mount / folder
        inner = root / paths[controller]
        # In a container the path may be the host's, and the mount the container's own.
        for group in (inner, *inner.parents):
            if (group / limit).is_file() and (most := (group / limit).read_text().strip()) != "max":
                statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                # Cached files are dropped when memory is needed.
                taken = int((group / used).read_text()) - int(statistics.get(cached, 0))
                yield max(0, int(most) - taken)
            if group == root:
                break
