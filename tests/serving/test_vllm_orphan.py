"""Workers end with their engine, even where they would wait for ever for another stage."""

import subprocess
import sys
import time
from pathlib import Path

WORKER = """
import threading
from longread.serving.vllm_plugin.orphan import end_with_parent
end_with_parent(grace=0.2)
print("works", flush=True)
threading.Event().wait()
"""
ENGINE = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(worker.pid, flush=True)
worker.wait()
"""


def test_a_worker_ends_when_its_engine_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ENGINE, WORKER], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        pid, works = engine.stdout.readline(), engine.stdout.readline()
        worker = Path("/proc", pid.strip())
        assert works == "works\n"
        time.sleep(1)
        assert worker.exists()
        engine.kill()
        engine.wait()
        until = time.monotonic() + 20
        while _runs(worker) and time.monotonic() < until:
            time.sleep(0.1)
        assert not _runs(worker)


def _runs(process: Path) -> bool:
    """Neither gone, nor dead and not yet asked for its exit code."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
