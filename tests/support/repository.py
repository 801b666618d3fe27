"""The repository under test: where it is, and which files it has."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "tools", "serving", "kernels")


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)


def tracked() -> list[str]:
    """What git tracks or would, links among them: a check that waits for `git add` comes too late."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    assert listed.returncode == 0, listed.stderr
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
