"""Workers end with their engine, even where they would wait for ever for another stage."""

import subprocess
import sys
import time

import psutil

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
        worker = psutil.Process(int(pid))
        assert works == "works\n"
        time.sleep(1)
        assert worker.is_running()
        engine.kill()
        engine.wait()
        psutil.wait_procs([worker], timeout=20)
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
