"""Free main memory where a container or a control group has less than the machine."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from longread.serving.host_memory import available

MIB = 1 << 20


def group(folder: Path, limit: tuple[str, str], used: tuple[str, int], cached: tuple[str, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit[0]).write_text(f"{limit[1]}\n")
    (folder / used[0]).write_text(f"{used[1]}\n")
    (folder / "memory.stat").write_text(f"anon 4096\n{cached[0]} {cached[1]}\n")


@pytest.mark.parametrize("path", ["/a/b", "/"], ids=["on the host", "in a container"])
def test_the_narrowest_group_counts(tmp_path: Path, path: str) -> None:
    own = tmp_path / "own"
    own.write_text(f"0::{path}\n")
    mount = tmp_path / "mount"
    cached = ("inactive_file", MIB)
    group(mount / path.lstrip("/"), ("memory.max", str(5 * MIB)), ("memory.current", 3 * MIB), cached)
    assert available(mount, own) == 3 * MIB
    group(mount / "a/b", ("memory.max", "max"), ("memory.current", 3 * MIB), cached)
    group(mount / "a", ("memory.max", str(4 * MIB)), ("memory.current", 4 * MIB), cached)
    assert available(mount, own) == (MIB if path == "/a/b" else 3 * MIB)


def test_version_1(tmp_path: Path) -> None:
    """With the path of the host, which is not there in a container."""
    own = tmp_path / "own"
    own.write_text("5:devices:/\n4:memory:/docker/123\n0::/\n")
    limit, used = ("memory.limit_in_bytes", str(7 * MIB)), ("memory.usage_in_bytes", 4 * MIB)
    group(tmp_path / "memory", limit, used, ("total_inactive_file", MIB))
    assert available(tmp_path, own) == 4 * MIB


def test_without_groups_it_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available(tmp_path, tmp_path / "own") > 0
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=900 * MIB, available=700 * MIB))
    assert available(tmp_path, tmp_path / "own") == 700 * MIB
    (tmp_path / "own").write_text("0::/x\n")
    assert available(tmp_path, tmp_path / "own") == 700 * MIB
