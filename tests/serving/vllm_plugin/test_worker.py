"""Workers end with their engine, even if they would wait forever for another stage."""

import subprocess
import sys

import psutil

from longread.serving.vllm_server.registry import live_process
from tests.support.waiting import wait_until

WORKER = """
import os, threading, time
from types import SimpleNamespace

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # vLLM logs to standard output
from longread.serving.vllm_plugin import worker  # which watches its parent from now on

def sleep(seconds):
    print("polls", file=out, flush=True)
    time.sleep(min(seconds, 0.2))  # the grace, too

worker.time = SimpleNamespace(sleep=sleep)
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
        worker = psutil.Process(int(engine.stdout.readline()))
        began = worker.create_time()
        try:
            assert [engine.stdout.readline() for _ in range(4)] == ["polls\n"] * 4, "it goes on while its engine lives"
            engine.kill()
            engine.wait()
            wait_until(lambda: live_process(worker.pid, began) is None)
        finally:
            worker.kill()
